"""The tables of the page: columns with the kind of their values, rows of raw values that the page formats and sorts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.groups.counts import first_messages
from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.metrics.token_rates import token_rates
from fmbench_lib.report.html.level_values import TEXT, clean, short, why
from fmbench_lib.report.html.page_shapes import Kind, Table, Value
from fmbench_lib.report.level_order import Rows, dataset_name, load_order
from fmbench_lib.report.level_texts import instance
from fmbench_lib.report.report_data import ReportInputs

LEVELS_TABLE = "levels"
"""The id of the table of every level."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a table of levels: its heading, its kind, and its value for a row."""

    name: str
    kind: Kind
    value: Callable[[Row], Value]


def _number(name: str, kind: Kind, column: str, per: float = 1.0) -> _Column:
    def value(row: Row) -> Value:
        known = number(row, column)
        return None if known is None else short(known * per)

    return _Column(name, kind, value)


_NAMES = (
    _Column("experiment", "text", lambda row: clean(text(row, "experiment_name"))),
    _Column("dataset", "text", lambda row: clean(dataset_name(text(row, "payload_file")))),
    _Column("load", "load", lambda row: [load_label(row), *load_order(row)[1:]]),
)
_LEVELS = (
    *_NAMES,
    _Column("instance", "text", lambda row: clean(instance(row))),
    _number("requests", "count", "requests"),
    _number("error rate", "share", "error_rate"),
    _number("requests/min", "number", "transactions_per_minute"),
    _number("tokens/s", "number", "completion_token_throughput"),
    _number("TTFT p50", "seconds", "TTFT_p50"),
    _number("TTFT p95", "seconds", "TTFT_p95"),
    _number("TPOT p50", "seconds", "TPOT_p50"),
    _number("TPOT p95", "seconds", "TPOT_p95"),
    _number("latency p50", "seconds", "latency_p50"),
    _number("latency p95", "seconds", "latency_p95"),
    _number("p95 low", "seconds", "latency_p95_low"),
    _number("p95 high", "seconds", "latency_p95_high"),
    _number("latency p99", "seconds", "latency_p99"),
    _number("USD / 10k requests", "usd", "price_per_10k_txn"),
    _Column("USD / 1M tokens", "usd", lambda row: short(token_rates(row)["price_per_1m_tokens"])),
    _Column("verdict", "verdict", lambda row: clean(text(row, "verdict"))),
)
_QUALITY = (
    *_NAMES,
    _Column("verdict", "verdict", lambda row: clean(text(row, "verdict"))),
    _number("client lag p99", "seconds", "client_lag_p99"),
    _number("schedule lag p99", "seconds", "schedule_lag_p99"),
    _number("client CPU", "share", "client_cpu_max"),
    _number("in flight", "number", "mean_in_flight"),
    _number("window", "duration", "window_s"),
    _Column("ended by", "text", lambda row: clean(text(row, "stop_reason"))),
    _Column("stamps", "text", lambda row: clean(text(row, "stamp_source"))),
    _Column("tokens from", "text", lambda row: clean(text(row, "token_source"))),
    _Column(
        "reasons for the verdict",
        "text",
        lambda row: clean("; ".join(why(row)), TEXT),
    ),
)
_COSTS = (
    _NAMES[0],
    _Column("instance", "text", lambda row: clean(instance(row))),
    _number("measuring", "duration", "duration_in_seconds"),
    _number("USD measuring", "usd", "cost_measuring"),
    _number("in service", "duration", "billed_seconds"),
    _number("USD billed", "usd", "cost_billed"),
    _Column("price from", "text", lambda row: clean(text(row, "price_source"))),
    _Column("note", "text", lambda row: clean(text(row, "note"), TEXT)),
)


def tables(inputs: ReportInputs, rows: Rows) -> list[Table]:
    """The tables that have rows, in the order of the page; those of levels are in the order of `rows`."""
    made = [
        _of_rows(LEVELS_TABLE, "Every level", rows, _LEVELS),
        _of_rows("quality", "How each level was measured", rows, _QUALITY),
        _failures(inputs),
        _searches(inputs),
        _of_rows("costs", "What the run cost", rows_of(inputs.costs), _COSTS),
    ]
    return [table for table in made if table["rows"]]


def _table(name: str, title: str, columns: Sequence[tuple[str, Kind]], rows: Sequence[Sequence[Value]]) -> Table:
    return {
        "id": name,
        "title": title,
        "columns": [{"name": heading, "kind": kind} for heading, kind in columns],
        "rows": [list(row) for row in rows],
    }


def _of_rows(name: str, title: str, rows: Rows, columns: Sequence[_Column]) -> Table:
    cells = [[column.value(row) for column in columns] for row in rows]
    return _table(name, title, [(column.name, column.kind) for column in columns], cells)


def _failures(inputs: ReportInputs) -> Table:
    """Experiments that were not deployed, levels that were not measured, and the classes of errors of the others."""
    rows: list[list[Value]] = [
        ["not deployed", clean(one.experiment_name), "", None, clean(one.reason, TEXT)]
        for one in inputs.failed_deployments
    ]
    rows += [
        [
            "not measured",
            clean(one.experiment_name),
            clean(f"{dataset_name(one.payload_file)}, {one.load}"),
            None,
            clean(one.error, TEXT),
        ]
        for one in inputs.failed_levels
    ]
    rows += [
        [clean(said.error), clean(said.experiment_name), "", said.requests, clean(said.message, TEXT)]
        for said in first_messages(rows_of(inputs.summary))
    ]
    columns: list[tuple[str, Kind]] = [
        ("what failed", "text"), ("experiment", "text"), ("level", "text"), ("requests", "count"),
        ("the first message", "text"),
    ]  # fmt: skip
    return _table("failures", "What failed", columns, rows)


def _searches(inputs: ReportInputs) -> Table:
    """The greatest load of each search."""
    rows: list[list[Value]] = [
        [
            clean(one.experiment_name),
            clean(dataset_name(one.payload_file)),
            clean(one.find.replace("_", " ")),
            *map(short, (one.found, one.low, one.high)),
            "yes" if one.confirmed else "no",
            clean(one.ended) or "goes on",
        ]
        for one in inputs.searches
    ]
    columns: list[tuple[str, Kind]] = [
        ("experiment", "text"), ("dataset", "text"), ("search for", "text"), ("greatest load", "number"),
        ("90% from", "number"), ("to", "number"), ("confirmed", "text"), ("ended by", "text"),
    ]  # fmt: skip
    return _table("searches", "The greatest load within the limits", columns, rows)
