"""The metric groups of a level in the order of its columns. A new group is a module and a row here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fmbench_lib.metrics.columns import Cells, Column, names
from fmbench_lib.metrics.groups.answer_lengths import ANSWER_LENGTHS, answer_lengths
from fmbench_lib.metrics.groups.arrival_rates import ARRIVAL_RATES, arrival_rates
from fmbench_lib.metrics.groups.attempts import ATTEMPT, BEFORE, attempts
from fmbench_lib.metrics.groups.client_error import CLIENT_ERROR, client_error
from fmbench_lib.metrics.groups.contents import CONTENTS, contents
from fmbench_lib.metrics.groups.copies import COPIES, copies
from fmbench_lib.metrics.groups.counts import COUNTS, ERRORS_BY_CLASS, counts
from fmbench_lib.metrics.groups.drift import DRIFT, drifts
from fmbench_lib.metrics.groups.energy import ENERGY, energy_columns, energy_read
from fmbench_lib.metrics.groups.goodput import GOODPUT, goodput
from fmbench_lib.metrics.groups.host_load import HOST_LOAD, host_load
from fmbench_lib.metrics.groups.identity import IDENTITY, IMPORTED_FROM, SLICE, identity
from fmbench_lib.metrics.groups.last_tokens import LAST_TOKENS, last_token_columns
from fmbench_lib.metrics.groups.level_conditions import CONDITIONS, level_conditions
from fmbench_lib.metrics.groups.level_throughput import THROUGHPUT, THROUGHPUT_INTERVALS, throughput
from fmbench_lib.metrics.groups.level_times import ANSWER, FROM_SENT, INTERVALS, P90, TIMES, level_times
from fmbench_lib.metrics.groups.little import LITTLE, little
from fmbench_lib.metrics.groups.nodes import NODES, nodes
from fmbench_lib.metrics.groups.queue_growth import QUEUE_GROWTH, queue_growth_columns
from fmbench_lib.metrics.groups.stalls import MAXIMA, STALLS, stalls
from fmbench_lib.metrics.groups.tokens import BILLED, TOKEN_COUNTS, billed_tokens, token_counts
from fmbench_lib.metrics.groups.transport import LAGS, RESENDS, TRANSPORT, lags, transport
from fmbench_lib.metrics.groups.window_load import WINDOW, window_columns
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import Row
from fmbench_lib.metrics.prices import PRICE_ORIGIN, PRICE_PER_1M, PRICE_PER_10K, PRICES, price_columns
from fmbench_lib.metrics.steady_window import STEADY, steady_columns
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.metrics.verdict import VERDICT, verdict_columns
from fmbench_lib.pricing.price_list import PriceList

Table: TypeAlias = Literal["levels", "slices", "both"]


@dataclass(frozen=True, slots=True)
class Standards:
    """What a row is priced and judged by."""

    prices: PriceList
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class MetricGroup:
    """Columns that stand together, and the function that computes them (it may compute those of other groups too).

    `measure` reads the requests, `derive` the columns that were measured. `table` says where the columns stand: in the
    table of levels, in that of slices, or in both.
    """

    columns: tuple[Column, ...]
    measure: Callable[[LevelSample], Cells] | None = None
    derive: Callable[[Row, Standards], Cells] | None = None
    table: Table = "both"


def _prices(row: Row, standards: Standards) -> Cells:
    return price_columns(row, standards.prices)


def _last_tokens(row: Row, _standards: Standards) -> Cells:
    return last_token_columns(row)


def _energy(row: Row, _standards: Standards) -> Cells:
    return energy_columns(row)


def _imported_from(_row: Row, _standards: Standards) -> Cells:
    return {IMPORTED_FROM.name: None}


def _verdict(row: Row, standards: Standards) -> Cells:
    return verdict_columns(row, standards.thresholds)


GROUPS: tuple[MetricGroup, ...] = (
    MetricGroup(IDENTITY, identity),
    MetricGroup(SLICE, identity, table="slices"),
    MetricGroup(COUNTS, counts),
    MetricGroup(THROUGHPUT, throughput),
    MetricGroup(TIMES, level_times),
    MetricGroup(PRICES, derive=_prices),
    MetricGroup(WINDOW, window_columns),
    MetricGroup(LAGS, lags),
    MetricGroup(VERDICT, derive=_verdict, table="levels"),
    MetricGroup(GOODPUT, goodput),
    MetricGroup(THROUGHPUT_INTERVALS, throughput),
    MetricGroup(INTERVALS, level_times),
    MetricGroup(ANSWER, level_times),
    MetricGroup(FROM_SENT, level_times),
    MetricGroup(PRICE_PER_10K, derive=_prices),
    MetricGroup(PRICE_ORIGIN, derive=_prices, table="levels"),
    MetricGroup(ERRORS_BY_CLASS, counts),
    MetricGroup(TOKEN_COUNTS, token_counts),
    MetricGroup(CONTENTS, contents),
    MetricGroup(TRANSPORT, transport),
    MetricGroup(CONDITIONS, level_conditions, table="levels"),
    MetricGroup(STEADY, steady_columns, table="levels"),
    MetricGroup(QUEUE_GROWTH, queue_growth_columns, table="levels"),
    MetricGroup(LITTLE, little, table="levels"),
    MetricGroup(ARRIVAL_RATES, arrival_rates, table="levels"),
    MetricGroup(DRIFT, drifts, table="levels"),
    MetricGroup(BILLED, billed_tokens, table="levels"),
    MetricGroup(CLIENT_ERROR, client_error, table="levels"),
    MetricGroup(RESENDS, lags, table="levels"),
    MetricGroup(MAXIMA, stalls, table="levels"),
    MetricGroup(STALLS, stalls, table="levels"),
    MetricGroup(ANSWER_LENGTHS, answer_lengths, table="levels"),
    MetricGroup(HOST_LOAD, host_load, table="levels"),
    MetricGroup(COPIES, copies, table="levels"),
    MetricGroup((ATTEMPT,), attempts),
    MetricGroup(BEFORE, attempts, table="levels"),
    MetricGroup(LAST_TOKENS, derive=_last_tokens),
    MetricGroup((IMPORTED_FROM,), derive=_imported_from, table="levels"),
    MetricGroup(P90, level_times, table="levels"),
    MetricGroup(PRICE_PER_1M, derive=_prices, table="levels"),
    MetricGroup(ENERGY, energy_read, _energy, table="levels"),
    MetricGroup(NODES, nodes, table="levels"),
)


def groups_of(table: Literal["levels", "slices"]) -> tuple[MetricGroup, ...]:
    """The groups whose columns stand in a table, in order."""
    return tuple(group for group in GROUPS if group.table in (table, "both"))


def _columns(table: Literal["levels", "slices"]) -> Iterator[Column]:
    return (column for group in groups_of(table) for column in group.columns)


SUMMARY: tuple[Column, ...] = tuple(_columns("levels"))
"""`all_metrics_summary.csv`: one row per level."""

SLICES: tuple[Column, ...] = tuple(_columns("slices"))
"""`all_metrics.csv`: the same measures for each of ten equal slices of a level's window."""

SUMMARY_COLUMNS = names(SUMMARY)
SLICE_COLUMNS = names(SLICES)
