"""The frames behind the other CSV files of a run, made from its levels: pairs of request records and level facts.

Every function returns a frame whose columns do not depend on the data, in the order of the levels (that of the config).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import pandas as pd

from fmbench_lib.errors import ERROR_CLASSES
from fmbench_lib.metrics.columns import Cells, Column, frame_of, names
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.comparability import comparison_findings
from fmbench_lib.metrics.decision.decision import Decision, decide
from fmbench_lib.metrics.finding import SEVERITY
from fmbench_lib.metrics.groups.attempts import ATTEMPT
from fmbench_lib.metrics.groups.identity import IDENTITY, LOAD
from fmbench_lib.metrics.level_row import level_row, slice_rows
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.measuring_again import AGAIN, command_again, last_attempts
from fmbench_lib.metrics.metric_groups import SLICES, SUMMARY
from fmbench_lib.metrics.missing import rows_of, text
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.reasons import REASON_SEPARATOR
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.pricing.price_list import PriceList

_BY_NAME = {column.name: column for column in SUMMARY}
COUNT_TABLE: tuple[Column, ...] = (
    *IDENTITY,
    LOAD,
    ATTEMPT,
    Column("count", "", "whole number", "`requests` of the summary"),
    _BY_NAME["successes"],
    _BY_NAME["errors"],
)
"""`experiment_counts.csv`."""

ERROR_RATE_TABLE: tuple[Column, ...] = (
    *IDENTITY,
    LOAD,
    ATTEMPT,
    *(_BY_NAME[name] for name in ("requests", "errors", "error_rate")),
    *(Column(name, "", "whole number", "failed requests of this class") for name in ERROR_CLASSES),
    Column("other", "", "whole number", "failed requests of classes not listed here"),
)
"""`error_rates.csv`."""

COUNT_COLUMNS = names(COUNT_TABLE)
ERROR_RATE_COLUMNS = names(ERROR_RATE_TABLE)


def summary_frame(
    levels: Iterable[LevelData],
    prices: PriceList | None = None,
    thresholds: Thresholds | None = None,
    objectives: Objectives | None = None,
) -> pd.DataFrame:
    """`all_metrics_summary.csv`: one row per level, judged by itself and beside the other levels."""
    return judged_frame([level_row(*level, prices, thresholds, objectives) for level in levels], thresholds)


def judged_frame(rows: Sequence[Cells], thresholds: Thresholds | None = None) -> pd.DataFrame:
    """The same from the rows of the levels, each judged by itself; they are changed."""
    findings = comparison_findings(frame_of(rows, SUMMARY), thresholds)
    for index, row in enumerate(rows):
        for finding in findings.get(index, ()):
            reasons = [str(reason) for reason in (row["verdict_reasons"], finding.reason) if reason]
            if SEVERITY[finding.verdict] > SEVERITY[str(row["verdict"])]:
                reasons.reverse()
                remedy = finding.remedy
                row |= {"verdict": finding.verdict, "verdict_remedy": None if remedy is None else remedy.setting}
            row["verdict_reasons"] = REASON_SEPARATOR.join(reasons)
    for row, last in zip(rows, last_attempts(rows), strict=True):
        if last and row["verdict"] != "valid":
            again = f"{AGAIN}{command_again(row)}"
            row["verdict_reasons"] = REASON_SEPARATOR.join(filter(None, (text(row, "verdict_reasons"), again)))
    return frame_of(rows, SUMMARY)


def slices_frame(
    levels: Iterable[LevelData], prices: PriceList | None = None, objectives: Objectives | None = None
) -> pd.DataFrame:
    """`all_metrics.csv`: ten rows per level, one for each slice of its window."""
    return slices_of_rows(row for level in levels for row in slice_rows(*level, prices=prices, objectives=objectives))


def slices_of_rows(rows: Iterable[Cells]) -> pd.DataFrame:
    """The same from the rows of the slices of all levels."""
    return frame_of(rows, SLICES)


def experiment_counts(summary: pd.DataFrame) -> pd.DataFrame:
    """`experiment_counts.csv`: how many requests each level counts (`count`: those sent in its window)."""
    return summary.rename(columns={"requests": "count"})[list(COUNT_COLUMNS)].reset_index(drop=True)


def error_rates(summary: pd.DataFrame) -> pd.DataFrame:
    """`error_rates.csv`: the share of failed requests of each level and their number by class."""
    counts = [json.loads(row["errors_by_class"] or "{}") for row in rows_of(summary)]
    frame = summary.reset_index(drop=True).copy()
    for name in ERROR_CLASSES:
        frame[name] = pd.Series([by_class.get(name, 0) for by_class in counts], dtype="Int64")
    known = set(ERROR_CLASSES)
    others = [sum(count for name, count in by_class.items() if name not in known) for by_class in counts]
    frame["other"] = pd.Series(others, dtype="Int64")
    return frame[list(ERROR_RATE_COLUMNS)]


def summary_with_pricing(summary: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """`summary_metrics_w_pricing.csv`: the levels of the decision's payload file, with whether each passed."""
    chosen = summary[summary["payload_file"] == decision.payload_file].reset_index(drop=True)
    passed = pd.Series([judgement.passed for judgement in decision.judgements], chosen.index, bool, "within_budgets")
    return pd.concat([chosen, passed], axis=1)


def best_option(summary: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """`summary_metrics_for_dataset_best_option.csv`: the winning level; no row where none passes."""
    frame = summary_with_pricing(summary, decision)
    rows = [index for index, judgement in enumerate(decision.judgements) if judgement.row is decision.winner]
    return frame.iloc[rows].reset_index(drop=True)


def best_option_each_instance_type(summary: pd.DataFrame, decision: Decision) -> pd.DataFrame:
    """`summary_metrics_for_dataset_best_option_each_instance_type.csv`: the same rule within each instance type.

    Where none of a type's levels passes, its row is the nearest one, with `within_budgets` False.
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
    decision = decide(group, budgets)
    row = decision.winner if decision.winner is not None else decision.nearest
    index = next(index for index, judgement in enumerate(decision.judgements) if judgement.row is row)
    chosen = group.iloc[[index]]
    return pd.concat([chosen, pd.Series(decision.winner is not None, chosen.index, bool, "within_budgets")], axis=1)
