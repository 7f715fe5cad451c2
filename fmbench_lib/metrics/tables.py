"""The frames behind the CSV files of a run, from levels: a level is the pair of its records and its facts.

Every function gives a frame with the same columns whatever the data, in the order of the levels (that of the config).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from fmbench_lib.errors import ERROR_CLASSES
from fmbench_lib.metrics.budgets import Budgets
from fmbench_lib.metrics.columns import IDENTITY, SLICE_COLUMNS, SUMMARY_COLUMNS, TEXTS, WHOLE_NUMBERS
from fmbench_lib.metrics.comparability import output_length_findings
from fmbench_lib.metrics.decision import Decision, decide
from fmbench_lib.metrics.goodput import Objectives
from fmbench_lib.metrics.level_row import level_row, slice_rows
from fmbench_lib.metrics.missing import number, rows_of, text
from fmbench_lib.metrics.requests import request_metrics
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.metrics.verdict import REASON_SEPARATOR, SEVERITY
from fmbench_lib.metrics.window import completed_in, measured_in, window_of
from fmbench_lib.pricing.price_list import PriceList

LevelData: TypeAlias = tuple[pd.DataFrame, Mapping[str, Any]]
"""The request records of a level, and its facts."""

REQUEST_COLUMNS: tuple[str, ...] = (
    *IDENTITY,
    "load",
    "phase",
    "request_id",
    "server_request_id",
    "prompt_id",
    "worker",
    "endpoint",
    "prompt_token_count",
    "completion_token_count",
    "cached_token_count",
    "token_source",
    "latency",
    "TTFT",
    "TTFT_answer",
    "TPOT",
    "ITL_mean",
    "ITL_max",
    "TTFT_from_sent",
    "latency_from_sent",
    "success",
    "in_window",
    "completed_in_window",
    "error",
    "error_message",
    "status",
    "retry_after",
    "finish_reason",
    "due",
    "connect_s",
    "reused",
    "retried",
    "sent",
    "first",
    "first_answer",
    "last",
    "end",
    "events",
    "streamed",
    "stamp_source",
    "client_lag",
    "schedule_lag",
    "completion",
)
"""`per_inference_request_results.csv`: one row per request, warm-up included."""

COUNT_COLUMNS: tuple[str, ...] = (*IDENTITY, "load", "count", "successes", "errors")
ERROR_RATE_COLUMNS: tuple[str, ...] = (*IDENTITY, "load", "requests", "errors", "error_rate", *ERROR_CLASSES, "other")


def summary_frame(
    levels: Iterable[LevelData],
    prices: PriceList | None = None,
    thresholds: Thresholds | None = None,
    objectives: Objectives | None = None,
) -> pd.DataFrame:
    """`all_metrics_summary.csv`: one row per level in `SUMMARY_COLUMNS`, judged alone and beside the other levels."""
    rows = [level_row(records, facts, prices, thresholds, objectives) for records, facts in levels]
    frame = _typed(pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS)))
    findings = output_length_findings(frame, thresholds)
    for place, row in enumerate(rows):
        if found := findings.get(place):
            row["verdict"] = max(row["verdict"], found.verdict, key=lambda level: SEVERITY[level])
            row["verdict_reasons"] = REASON_SEPARATOR.join(filter(None, (row["verdict_reasons"], found.reason)))
    return _typed(pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS)))


def slices_frame(
    levels: Iterable[LevelData], prices: PriceList | None = None, objectives: Objectives | None = None
) -> pd.DataFrame:
    """`all_metrics.csv`: ten rows per level, one for each slice of its window."""
    rows = [
        row for records, facts in levels for row in slice_rows(records, facts, prices=prices, objectives=objectives)
    ]
    return _typed(pd.DataFrame(rows, columns=list(SLICE_COLUMNS)))


def requests_frame(levels: Iterable[LevelData]) -> pd.DataFrame:
    """`per_inference_request_results.csv`: one row per request in `REQUEST_COLUMNS`."""
    frames = [_requests_of(records, facts) for records, facts in levels if len(records)]
    if not frames:
        return pd.DataFrame(columns=list(REQUEST_COLUMNS))
    merged = pd.DataFrame({name: _stacked([frame[name] for frame in frames]) for name in REQUEST_COLUMNS})
    return merged.infer_objects()


def experiment_counts(summary: pd.DataFrame) -> pd.DataFrame:
    """`experiment_counts.csv`: how many requests each level counts (`count`, those sent in its window)."""
    return summary.rename(columns={"requests": "count"})[list(COUNT_COLUMNS)].reset_index(drop=True)


def error_rates(summary: pd.DataFrame) -> pd.DataFrame:
    """`error_rates.csv`: the share of failed requests of each level and their number by class."""
    classes = [json.loads(row["errors_by_class"] or "{}") for row in rows_of(summary)]
    frame = summary.reset_index(drop=True).copy()
    for name in ERROR_CLASSES:
        frame[name] = pd.Series([found.get(name, 0) for found in classes], dtype="Int64")
    known = set(ERROR_CLASSES)
    others = [sum(count for name, count in found.items() if name not in known) for found in classes]
    frame["other"] = pd.Series(others, dtype="Int64")
    return frame[list(ERROR_RATE_COLUMNS)]


def error_classes(summary: pd.DataFrame) -> pd.DataFrame:
    """One row per level and error class that occurred: experiment_name, payload_file, load, error, count."""
    rows = [
        {name: row[name] for name in ("experiment_name", "payload_file", "load")} | {"error": error, "count": count}
        for row in rows_of(summary)
        for error, count in json.loads(row["errors_by_class"] or "{}").items()
    ]
    return pd.DataFrame(rows, columns=["experiment_name", "payload_file", "load", "error", "count"])


def summary_with_pricing(summary: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """`summary_metrics_w_pricing.csv`: the levels of the decision's payload file, with whether each passed."""
    chosen = summary[summary["payload_file"] == decision.payload_file].reset_index(drop=True)
    passed = pd.Series([judgement.passed for judgement in decision.judgements], chosen.index, bool, "within_budgets")
    return pd.concat([chosen, passed], axis=1)


def best_option(summary: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """`summary_metrics_for_dataset_best_option.csv`: the level decided on; no row where none passes."""
    frame = summary_with_pricing(summary, decision)
    rows = [place for place, one in enumerate(decision.judgements) if one.row is decision.winner]
    return frame.iloc[rows].reset_index(drop=True)


def best_option_each_instance_type(summary: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """`summary_metrics_for_dataset_best_option_each_instance_type.csv`: the same rule within each instance type.

    Where none of a type's levels passes its row is the nearest one, and `within_budgets` says so.
    """
    chosen = summary[summary["payload_file"] == decision.payload_file]
    rows = [
        _best_or_nearest(group, decision.budgets)
        for _, group in chosen.groupby("instance_type", sort=False, dropna=False)
    ]
    if not rows:
        return summary_with_pricing(summary, decision).iloc[:0]
    return pd.concat(rows, ignore_index=True)


def _best_or_nearest(group: pd.DataFrame, budgets: Budgets) -> pd.DataFrame:
    found = decide(group, budgets)
    row = found.winner if found.winner is not None else found.nearest
    place = next(place for place, one in enumerate(found.judgements) if one.row is row)
    row_frame = group.iloc[[place]]
    return pd.concat([row_frame, pd.Series(found.winner is not None, row_frame.index, bool, "within_budgets")], axis=1)


def _requests_of(records: pd.DataFrame, facts: Mapping[str, Any]) -> pd.DataFrame:
    frame = request_metrics(records).reset_index(drop=True)
    window = window_of(facts)
    known = {"prompt_tokens": "prompt_token_count", "completion_tokens": "completion_token_count"}
    frame = frame.rename(columns={**known, "cached_tokens": "cached_token_count"})
    for name in ("instance_type", "load", "experiment_name", "payload_file"):
        frame[name] = text(facts, name)
    for name in ("instance_count", "concurrency", "request_rate"):
        frame[name] = number(facts, name)
    frame["in_window"] = measured_in(frame, window)
    frame["completed_in_window"] = completed_in(frame, window) if window else False
    frame["ITL_mean"] = [gaps.mean() if len(gaps) else np.nan for gaps in frame["ITL"]]
    frame["ITL_max"] = [gaps.max() if len(gaps) else np.nan for gaps in frame["ITL"]]
    times = frame["event_times"] if "event_times" in frame else [None] * len(frame)
    frame["events"] = [len(one) if isinstance(one, Sequence | np.ndarray) else 0 for one in times]
    return frame.reindex(columns=list(REQUEST_COLUMNS))


def _stacked(columns: list[pd.Series[Any]]) -> pd.Series[Any]:
    """One column of all levels. By hand, since a level where all of it is missing must not decide its type."""
    return pd.Series([value for column in columns for value in column], dtype=object)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as such and words as words, also in columns where all or some are missing."""
    types: dict[str, Any] = {}
    for name in frame.columns:
        if name in WHOLE_NUMBERS:
            types[name] = "Int64"
        elif name in TEXTS:
            types[name] = "str"
        elif name == "price_verified":
            types[name] = "boolean"
        elif name == "client_limited":
            types[name] = bool
        else:
            types[name] = "float64"
    return frame.astype(types)
