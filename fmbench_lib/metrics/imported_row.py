"""The row of a level that another tool measured, and the verdict on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from fmbench_lib.metrics.checks.imported_checks import IMPORTED_CHECKS, Evidence, fell_behind
from fmbench_lib.metrics.columns import Cell, Cells, frame_of
from fmbench_lib.metrics.finding import SEVERITY, Finding, Level
from fmbench_lib.metrics.imported_level import IMPORTED_FIGURES, ImportedLevel, PrintedFigure
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.metrics.missing import NAN, Row, number, rows_of
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.prices import price_columns
from fmbench_lib.metrics.reasons import REASON_SEPARATOR
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.metrics.verdict import CHECKS_OF_RECORDS
from fmbench_lib.pricing.price_list import PriceList

_KINDS = {column.name: column.kind for column in SUMMARY}
_MOST_COUNT = 2**53
_PRICES = ("price_per_txn", "price_per_token")
_LEVELS: dict[str, Level] = {"valid": "valid", "degraded": "degraded", "invalid": "invalid"}


def imported_frame(
    levels: Iterable[tuple[ImportedLevel, LevelData | None]],
    prices: PriceList | None = None,
    objectives: Objectives | None = None,
    thresholds: Thresholds | None = None,
) -> pd.DataFrame:
    """`all_metrics_summary.csv` of imported levels, each with its records where its files have single requests."""
    known, limits = prices or PriceList(), thresholds or Thresholds()
    return frame_of((imported_row(*level, known, objectives, limits) for level in levels), SUMMARY)


def imported_row(
    level: ImportedLevel,
    data: LevelData | None,
    prices: PriceList,
    objectives: Objectives | None,
    thresholds: Thresholds,
) -> Cells:
    """The row of one level: computed from its requests, then what the tool printed, then what follows from both."""
    row = _blank(level) if data is None else level_row(*data, prices, thresholds, objectives)
    if data is not None and not level["clock"]:
        row |= {"latency_longer": NAN, "latency_effective_n": NAN}  # what follows what is not known
    printed = _printed(level)
    of_requests = data is not None
    row |= {
        name: value
        for name, value in printed.items()
        if name in _KINDS and _is_missing(row.get(name)) and name not in _PRICES
    }
    row |= _rates(row, of_requests=of_requests)
    row |= _counts(row)
    row["level_s"] = _or(row, "level_s", number(row, "window_s"))
    row |= _priced(row, printed, prices, level)
    row["imported_from"] = source_of(level)
    evidence = Evidence(level["evidence"], printed, level["requests"], clock=level["clock"])
    if fell_behind(row, evidence, thresholds):
        row["sustainable"] = "no"
    return row | _verdict(level, row, evidence, thresholds)


def source_of(level: ImportedLevel) -> str:
    """The tool with its version, and the files: `vllm bench serve 0.9, results.json`."""
    tool = f"{level['tool']} {level['version']}" if level["version"] else level["tool"]
    return ", ".join([tool, *dict.fromkeys(file["path"] for file in level["files"])])


def figures_frame(levels: Iterable[ImportedLevel], summary: pd.DataFrame) -> pd.DataFrame:
    """`imported_figures.csv`: what the tools printed beside what stands in the columns. The frame's rows are those of
    the levels, in order."""
    pairs = zip(levels, rows_of(summary), strict=True)
    return frame_of((row for level, cells in pairs for row in _figure_rows(level, cells)), IMPORTED_FIGURES)


def _figure_rows(level: ImportedLevel, row: Row) -> Iterator[Cells]:
    tool = f"{level['tool']} {level['version']}" if level["version"] else level["tool"]
    for figure in level["figures"]:
        value = number(row, figure["column"])
        yield {
            "experiment_name": level["experiment_name"],
            "payload_file": level["payload_file"],
            "load": level["load"],
            "tool": tool,
            "column": figure["column"],
            "value": NAN if value is None else value,
            "origin": None if value is None else "printed" if value == figure["value"] else _origin(level),
            "printed_value": figure["value"],
            "difference": _difference(value, figure),
            "printed_as": figure["name"],
            "printed": figure["printed"],
            "file": figure["file"],
        }


def _origin(level: ImportedLevel) -> str:
    return "requests" if level["requests"] else "computed"


def _difference(value: float | None, figure: PrintedFigure) -> float:
    return NAN if value is None or figure["value"] == 0 else value / figure["value"] - 1


def _blank(level: ImportedLevel) -> Cells:
    """A row of which only the level's identity is known."""
    empty: Cells = {name: None if kind in ("text", "flag") else NAN for name, kind in _KINDS.items()}
    texts = {name: level[name] for name in ("experiment_name", "payload_file", "load", "instance_type")}
    numbers: Cells = {
        name: NAN if value is None else value
        for name, value in (
            ("concurrency", level["concurrency"]),
            ("request_rate", level["request_rate"]),
            ("instance_count", level["instance_count"]),
        )
    }
    return empty | texts | numbers | {"attempt": 1}


def _printed(level: ImportedLevel) -> dict[str, float]:
    """The first figure of each column; counts as whole numbers, without those beyond what a count can be."""
    found: dict[str, float] = {}
    for figure in level["figures"]:
        counted = _KINDS.get(figure["column"]) == "whole number"
        if not counted or abs(figure["value"]) <= _MOST_COUNT:
            found.setdefault(figure["column"], round(figure["value"]) if counted else figure["value"])
    return found


def _is_missing(value: Cell) -> bool:
    return value is None or pd.isna(value)


def _or(row: Row, name: str, other: float | None) -> float:
    value = number(row, name)
    return value if value is not None else NAN if other is None else other


def _rates(row: Cells, *, of_requests: bool) -> Cells:
    """Rates per second and minute from each other. Where the file has the requests, they are the successes, and their
    tokens, over the tool's time: its own rate may count requests without a token."""
    per_second, per_minute = number(row, "transactions_per_second"), number(row, "transactions_per_minute")
    successes, seconds = number(row, "successes"), number(row, "window_s")
    changed: Cells = {}
    if of_requests and number(row, "mean_in_flight") is None and successes is not None and seconds:
        per_second, per_minute = successes / seconds, None
        changed["completions_in_window"] = successes
        for side in ("prompt", "completion"):
            tokens = number(row, f"{side}_token_count_mean")
            if tokens is not None:
                changed[f"{side}_token_throughput"] = tokens * successes / seconds
    if per_second is None and per_minute is not None:
        per_second = per_minute / 60
    if per_minute is None and per_second is not None:
        per_minute = 60 * per_second
    return changed | {
        "transactions_per_second": NAN if per_second is None else per_second,
        "transactions_per_minute": NAN if per_minute is None else per_minute,
    }


def _counts(row: Row) -> Cells:
    """Errors and their share from the other counts."""
    requests, successes, errors = (number(row, name) for name in ("requests", "successes", "errors"))
    if errors is None and requests is not None and successes is not None:
        errors = requests - successes
    if requests is None and successes is not None and errors is not None:
        requests = successes + errors
    share = number(row, "error_rate")
    if share is None and requests and errors is not None:
        share = errors / requests
    values = {"requests": requests, "successes": successes, "errors": errors, "error_rate": share}
    return {name: NAN if value is None else value for name, value in values.items()}


def _priced(row: Row, printed: Mapping[str, float], prices: PriceList, level: ImportedLevel) -> Cells:
    """The prices by the run's price list; those that the tool printed where it has none for this instance type."""
    cells = price_columns(row, prices)
    per_txn = printed.get("price_per_txn")
    if number(cells, "price_per_txn") is not None or per_txn is None:
        return cells
    return cells | {
        "price_per_txn": per_txn,
        "price_per_token": printed.get("price_per_token", NAN),
        "price_per_10k_txn": 10_000 * per_txn,
        "price_per_1m_tokens": 1e6 * printed.get("price_per_token", NAN),
        "price_source": f"{level['tool']}, as printed",
        "price_listed_in": level["files"][0]["path"],
        "price_verified": False,
        "price_note": None,
    }


def _verdict(level: ImportedLevel, row: Row, evidence: Evidence, thresholds: Thresholds) -> Cells:
    findings = [Finding(_LEVELS[said["verdict"]], said["reason"]) for said in level["findings"]]
    findings += [found for check in IMPORTED_CHECKS for found in check(row, evidence, thresholds)]
    if evidence.requests:
        findings += [found for check in CHECKS_OF_RECORDS for found in check(row, thresholds)]
    findings.sort(key=lambda finding: -SEVERITY[finding.verdict])
    reasons = dict.fromkeys(finding.reason for finding in findings)
    return {
        "client_limited": any(finding.client for finding in findings),
        "verdict": findings[0].verdict if findings else "valid",
        "verdict_reasons": REASON_SEPARATOR.join(reasons) or None,
    }
