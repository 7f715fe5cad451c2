"""Embedding and rerank endpoints: texts and tokens per second, latency by batch size, price, and retrieval quality."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.report.level_order import dataset_name, in_order, names_in
from fmbench_lib.report.level_texts import estimate_of, time_of
from fmbench_lib.report.markdown import Blocks, escape, frame, text_frame
from fmbench_lib.report.numbers import amount, count, dollars, plain, significant
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.sections.judge_panel import interval_cell

_INTRO = (
    "An embedding or rerank endpoint answers at once and generates nothing, so there is no time to first token and "
    "there are no output tokens. A request has a fixed number of texts (`texts_per_request` of the filter), or the "
    "documents of one query; texts per second count all of them."
)


def section(inputs: ReportInputs) -> Blocks:
    """The levels of such endpoints, which batch is cheapest, and nDCG@10; nothing where there are none."""
    rows = in_order(rows_of(inputs.texts))
    if not rows:
        return []
    shown = text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "dataset": dataset_name(str(row["payload_file"])),
            "load": load_label(row),
            "texts per request": plain(round(row["texts_per_request"], 1)),
            "texts/s": significant(row["texts_per_second"]),
            "tokens/s": significant(row["tokens_per_second"]),
            "latency p50": time_of(row, "latency_p50"),
            "latency p95 (95% CI)": estimate_of(row, "latency_p95"),
            "USD per 1M tokens": amount(row["price_per_1m_tokens"]),
            "USD per 1M texts": amount(row["price_per_1m_texts"]),
        }
        for row in rows
    )
    table = frame(shown, to_the_right=list(shown.columns)[3:])
    return ["### Embeddings and reranking", " ".join([_INTRO, *_cheapest(rows)]), table, *_retrieval(inputs)]


def _cheapest(rows: Sequence[Row]) -> list[str]:
    """The level of each experiment whose tokens cost least, and the one with most texts per second."""
    sentences = []
    priced = [row for row in rows if number(row, "price_per_1m_tokens") is not None and row["verdict"] != "invalid"]
    names = names_in(priced)
    for name in names:
        own = [row for row in priced if row["experiment_name"] == name]
        row = min(own, key=lambda each: float(each["price_per_1m_tokens"]))
        sentences.append(
            f"A million tokens cost least at {_level(row)}: {dollars(row['price_per_1m_tokens'])} "
            f"({dollars(row['price_per_1m_texts'])} for a million texts), with a latency p95 of "
            f"{time_of(row, 'latency_p95')}."
        )
    if len(names) > 1:
        sentences.append("Servers count tokens in their own ways: between experiments compare the price of texts.")
    known = [row for row in rows if number(row, "texts_per_second") is not None and row["verdict"] != "invalid"]
    if known:
        row = max(known, key=lambda each: float(each["texts_per_second"]))
        sentences.append(f"Most texts per second: {significant(row['texts_per_second'])} at {_level(row)}.")
    return sentences


def _level(row: Row) -> str:
    texts = plain(round(float(row["texts_per_request"]), 1))
    return f"{escape(str(row['experiment_name']))}, {load_label(row)}, {texts} texts per request"


def _retrieval(inputs: ReportInputs) -> Blocks:
    shown = text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "dataset": dataset_name(str(row["payload_file"])),
            "nDCG@10": significant(row["ndcg_10"]),
            "95% CI": interval_cell(row, "ndcg_10", share=False),
            "queries": count(row["queries"]),
            "without a relevant document": count(row["without_relevant"]),
        }
        for row in rows_of(inputs.retrieval)
    )
    if shown.empty:
        return []
    intro = (
        "Retrieval quality: nDCG@10 of the documents of each query, by the relevance that the data has; 1 is the best "
        "order, and documents of one score share their ranks."
    )
    return [intro, frame(shown, to_the_right=list(shown.columns)[2:])]
