"""Levels of embedding and rerank endpoints: texts per second, what a million texts or tokens cost, and nDCG@10.

Such an endpoint generates nothing and answers at once: there is no first token, and no time to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import TypeAlias

import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column, frame_of
from fmbench_lib.metrics.groups.identity import IDENTITY, LOAD
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.missing import NAN, Row, floats, number, rows_of
from fmbench_lib.metrics.requests import lists_in
from fmbench_lib.metrics.statistics.ranking_quality import ndcg
from fmbench_lib.metrics.statistics.student import t_quantile

MILLION = 1_000_000
Relevance: TypeAlias = Mapping[str, Mapping[str, Sequence[float]]]
"""The relevance of the documents of a prompt, by payload file and prompt id."""

TEXTS: tuple[Column, ...] = (
    *IDENTITY,
    LOAD,
    Column("texts_per_request", "texts", "number", "texts embedded, or documents ranked, per success on average"),
    Column("texts_per_second", "texts/s", "number", "`transactions_per_second` × `texts_per_request`"),
    Column("tokens_per_second", "tokens/s", "number", "`prompt_token_throughput` of the summary"),
    Column("latency_p50", "s", "number", "as in the summary"),
    Column("latency_p50_low", "s", "number", "lower end of its 95% confidence interval; empty without one"),
    Column("latency_p50_high", "s", "number", "upper end of it"),
    Column("latency_p95", "s", "number", "as in the summary"),
    Column("latency_p95_low", "s", "number", "lower end of its 95% confidence interval; empty without one"),
    Column("latency_p95_high", "s", "number", "upper end of it"),
    Column("price_per_1m_tokens", "USD", "number", "1,000,000 × `price_per_token`"),
    Column("price_per_1m_texts", "USD", "number", "1,000,000 × `price_per_txn / texts_per_request`"),
    Column("verdict", "", "text", "as in the summary"),
)  # fmt: skip
"""`embedding_levels.csv`."""

RETRIEVAL: tuple[Column, ...] = (
    IDENTITY[0],
    IDENTITY[1],
    Column("queries", "", "whole number", "queries with a relevant document that were answered; each counts once"),
    Column("without_relevant", "", "whole number", "queries left out, as no document is relevant to them"),
    Column("ndcg_10", "", "number", "mean nDCG@10 of their rankings"),
    Column("ndcg_10_low", "", "number", "lower end of its 95% interval (Student's t over queries, within 0 to 1)"),
    Column("ndcg_10_high", "", "number", "upper end of it; both empty below two queries"),
)
"""`retrieval_quality.csv`."""


def text_levels(levels: Iterable[LevelData], summary: pd.DataFrame) -> pd.DataFrame:
    """A row for each level whose answers were vectors or scores; `summary` has a row for each of `levels`."""
    rows = []
    for (records, _), row in zip(levels, rows_of(summary), strict=True):
        texts = floats(records[(records["phase"] == "measured") & records["error"].isna()], "texts")
        if len(texts) and not math.isnan(mean := float(pd.Series(texts).mean())):
            rows.append(_row(row, mean))
    return frame_of(rows, TEXTS)


def _row(row: Row, texts: float) -> Cells:
    rate, price, per_token = (
        number(row, name) for name in ("transactions_per_second", "price_per_txn", "price_per_token")
    )
    kept = {column.name: row.get(column.name) for column in TEXTS if column.name in row}
    return {
        **kept,
        "texts_per_request": texts,
        "texts_per_second": NAN if rate is None else rate * texts,
        "tokens_per_second": number(row, "prompt_token_throughput"),
        "price_per_1m_tokens": NAN if per_token is None else MILLION * per_token,
        "price_per_1m_texts": NAN if price is None else MILLION * price / texts,
    }


def retrieval_frame(levels: Iterable[LevelData], relevance: Relevance) -> pd.DataFrame:
    """nDCG@10 by experiment and payload file, over queries: of several answers to one, the first counts."""
    found: dict[tuple[str, str], dict[str, float | None]] = {}
    for records, facts in levels:
        graded = relevance.get(str(facts["payload_file"]), {})
        if not graded or "scores" not in records:
            continue
        values = found.setdefault((str(facts["experiment_name"]), str(facts["payload_file"])), {})
        answered = records[(records["phase"] == "measured") & records["error"].isna()]
        for prompt, scores in zip(answered["prompt_id"], lists_in(answered, "scores"), strict=True):
            if prompt in graded and len(scores):
                values.setdefault(str(prompt), ndcg(scores.tolist(), graded[prompt]))
    return frame_of([_quality(*key, list(values.values())) for key, values in found.items() if values], RETRIEVAL)


def _quality(experiment: str, payload_file: str, values: Sequence[float | None]) -> Cells:
    known = [value for value in values if value is not None]
    half = NAN
    if len(known) > 1:
        half = t_quantile(0.975, len(known) - 1) * stdev(known) / math.sqrt(len(known))
    mean = fmean(known) if known else NAN
    return {
        "experiment_name": experiment,
        "payload_file": payload_file,
        "queries": len(known),
        "without_relevant": len(values) - len(known),
        "ndcg_10": mean,
        "ndcg_10_low": NAN if math.isnan(half) else max(mean - half, 0.0),
        "ndcg_10_high": NAN if math.isnan(half) else min(mean + half, 1.0),
    }
