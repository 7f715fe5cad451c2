"""`summary.json`: the content of the report for programs, by the names of the CSV files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from fmbench_lib.metrics.costs import total
from fmbench_lib.metrics.decision.decision import DecisionDocument
from fmbench_lib.metrics.groups.contents import remarks_of
from fmbench_lib.metrics.groups.counts import error_messages, errors_by_class
from fmbench_lib.metrics.missing import Row, rows_of
from fmbench_lib.pricing.price_list import InstancePrice, Price
from fmbench_lib.report.report_data import ReportInputs

FORMAT = 1
"""Incremented when programs that read the file have to change."""


class LevelMappings(TypedDict):
    """The columns of a level that hold JSON, as mappings."""

    errors_by_class: dict[str, int]
    error_messages: dict[str, str]
    remarks: dict[str, int]


class SummaryDocument(TypedDict):
    """The content of the report. What is a mapping here has the fields of its dataclass, or columns by name."""

    format: int
    run: Mapping[str, Any]
    decision: DecisionDocument
    budgets: Mapping[str, Any]
    dataset_of_interest: str | None
    verdicts: dict[str, int]
    levels: list[Row]
    repeated_levels: list[Row]
    recommendations: list[Row]
    costs: list[Row]
    cost_measuring: float | None
    cost_billed: float | None
    prices: list[Mapping[str, Any]]
    failed_deployments: list[Mapping[str, Any]]
    failed_levels: list[Mapping[str, Any]]
    standing: list[Mapping[str, Any]]
    searches: list[Mapping[str, Any]]
    notices: list[str]


class Standing(TypedDict):
    """Whether a run is complete, judged as asked and valid; `attention` says what is not, a line each."""

    all_well: bool
    all_measured: bool
    all_evaluated: bool
    attention: list[str]


class SummaryFile(SummaryDocument, Standing):
    """`summary.json`."""


def summary_document(inputs: ReportInputs) -> SummaryDocument:
    """The document in built-in types, with None for what is missing and never NaN, ready for strict JSON.

    Times in seconds, prices in USD, moments in Unix seconds. `levels` holds the columns of `all_metrics_summary.csv`,
    `repeated_levels` those of `repeated_levels.csv`, `errors_by_class`, `error_messages` and `remarks` as mappings.
    """
    rows = rows_of(inputs.summary)
    decision = inputs.decision.to_dict()
    document: dict[str, Any] = {
        "format": FORMAT,
        "run": inputs.run,
        "decision": decision,
        "budgets": inputs.decision.budgets,
        "dataset_of_interest": inputs.decision.payload_file,
        "verdicts": {name: sum(row["verdict"] == name for row in rows) for name in ("valid", "degraded", "invalid")},
        "levels": _levels(rows),
        "repeated_levels": _levels(rows_of(inputs.repeated)),
        "recommendations": rows_of(inputs.recommendations),
        "costs": rows_of(inputs.costs),
        "cost_measuring": total(inputs.costs, "cost_measuring"),
        "cost_billed": total(inputs.costs, "cost_billed"),
        "prices": [_price(price) for price in inputs.prices],
        "failed_deployments": inputs.failed_deployments,
        "failed_levels": inputs.failed_levels,
        "standing": inputs.standing,
        "searches": inputs.searches,
        "notices": inputs.notices,
    }
    plain: SummaryDocument = _plain(document)
    return plain


def _levels(rows: Sequence[Row]) -> list[Row]:
    return [{**row, **_mappings(row)} for row in rows]


def _mappings(row: Row) -> LevelMappings:
    """The columns of a level that hold JSON."""
    return {
        "errors_by_class": errors_by_class(row),
        "error_messages": error_messages(row),
        "remarks": remarks_of(row),
    }


def _price(price: Price) -> dict[str, Any]:
    kind = "instance" if isinstance(price, InstancePrice) else "token"
    return {"kind": kind, **_plain(price)}


def _plain(value: Any) -> Any:
    """The value in JSON's types."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)
