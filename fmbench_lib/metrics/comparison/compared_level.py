"""One side of a comparison: a level with the figures of each of its repeats, and how sure each figure is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fmbench_lib.metrics.comparison.measures import MEASURES, Measure
from fmbench_lib.metrics.groups.level_times import OrderedTimes
from fmbench_lib.metrics.level_row import whole_level
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.missing import Row, floats, number
from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.correlated import CorrelatedEstimate, State, rough_grouped_interval, rough_interval
from fmbench_lib.metrics.statistics.effects import Reading

_NORMAL_95 = 2 * 1.959964
ONE_A_REQUEST = ("latency", "TTFT", "TPOT")
"""Families with one time for each request."""
_RATES = ("transactions_per_minute", "completion_token_throughput")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure of a level: its value over all repeats, and a reading of each.

    `enough`: what the repeats have together of the length that an interval needs, 1 or more where they are long enough.
    `readings` are empty where nothing is known of the error, or where the figure is of a queue that grew.
    """

    value: float | None
    readings: tuple[Reading, ...] = ()
    enough: float = 1.0


@dataclass(frozen=True, slots=True)
class ComparedLevel:
    """A level of a run.

    `row`: its row of the summary, over its repeats where it has several · `setup`: what it was measured with, by the
    words of a report (`model`, `tokenizer`, `client`, …), None for what is not known · `series`: the times of each
    repeat by family (s), one for each request in order of sending, NaN for a failure, for pictures and the test of the
    whole distribution · `states`: the state of the endpoint at each of these requests, None for a repeat whose queue
    grew · `summary_only`: another tool's figures are known, its requests are not.
    """

    run: str
    row: Mapping[str, Any]
    figures: Mapping[str, Figure]
    repeats: int
    setup: Mapping[str, str | None] = field(default_factory=dict)
    series: Mapping[str, tuple[Floats, ...]] = field(default_factory=dict)
    states: tuple[State | None, ...] = ()
    summary_only: bool = False


def compared_level(
    run: str, row: Row, levels: Sequence[LevelData], rows: Sequence[Row], setup: Mapping[str, str | None]
) -> ComparedLevel:
    """The level of a row, from the records and the rows of its repeats (itself, where it has none), in their order.

    Without records its figures have no reading.
    """
    if not levels:
        known = {name: Figure(number(row, name)) for name in MEASURES}
        return ComparedLevel(run, dict(row), known, len(rows), setup, summary_only=True)
    times = [OrderedTimes.of(whole_level(*level)) for level in levels]
    figures = {name: figure_of(measure, row, rows, times) for name, measure in MEASURES.items()}
    series = {family: tuple(floats(time.requests, family) for time in times) for family in ONE_A_REQUEST}
    return ComparedLevel(run, dict(row), figures, len(rows), setup, series, tuple(time.state for time in times))


def figure_of(measure: Measure, row: Row, rows: Sequence[Row], times: Sequence[OrderedTimes]) -> Figure:
    """A measure of a level from its row, and from the rows and the requests of its repeats, in their order."""
    value = number(row, measure.name)
    if measure.family is not None and measure.quantile is not None:
        return _of_times(value, measure.family, measure.quantile, times)
    if measure.name in _RATES:
        return Figure(value, complete_readings([_of_ends(one, measure.name) for one in rows], rows))
    if measure.name.startswith("price_"):
        return Figure(value, complete_readings([_of_price(one, measure.name) for one in rows], rows))
    return Figure(value)


def _of_times(value: float | None, family: str, q: float, times: Sequence[OrderedTimes]) -> Figure:
    """A percentile: the rough interval of each repeat, as all repeats together may be long enough where none is."""
    if any(time.state is None for time in times):
        return Figure(value)  # a percentile of a growing queue tells how long was measured
    known = [time.estimates(family, [q])[0] for time in times]
    roughly = [_rough(time, family, q) for time in times]
    readings = [reading_of(one.value, one.low, one.high) for one in roughly]
    return Figure(value, complete_readings(readings, times), sum(1 / one.longer for one in known))


def _rough(times: OrderedTimes, family: str, q: float) -> CorrelatedEstimate:
    assert times.state is not None
    if family == "ITL":
        return rough_grouped_interval(times.gaps, q, times.state)
    return rough_interval(floats(times.requests, family), q, times.state)


def _of_ends(row: Row, name: str) -> Reading | None:
    return reading_of(*(number(row, f"{name}{end}") for end in ("", "_low", "_high")))


def _of_price(row: Row, name: str) -> Reading | None:
    """A price by the hour is as unsure as the throughput that shares it out, one of tokens as their mean number."""
    value = number(row, name)
    if value is None:
        return None
    if row.get("price_kind") == "instance":
        rate = _of_ends(row, "transactions_per_minute")
        return None if rate is None else Reading(value, rate.error)
    mean, spread = number(row, "completion_token_count_mean"), number(row, "completion_token_count_std")
    known = number(row, "completion_token_n")
    if not mean or spread is None or not known:
        return None
    return Reading(value, spread / mean / math.sqrt(known))


def reading_of(value: float | None, low: float | None, high: float | None) -> Reading | None:
    """The error of a logarithm from the ends of a 95% interval; an end that is not known lies as far as the other."""
    if value is None or value <= 0:
        return None
    spans = [abs(math.log(end / value)) for end in (low, high) if end is not None and end > 0]
    return Reading(value, 2 * float(np.mean(spans)) / _NORMAL_95) if spans else None


def complete_readings(readings: Sequence[Reading | None], repeats: Sequence[object]) -> tuple[Reading, ...]:
    """The readings of all repeats; none where one has none, as what is left would be a choice."""
    known = tuple(reading for reading in readings if reading is not None)
    return known if len(known) == len(repeats) else ()
