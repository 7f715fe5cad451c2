"""A level's figures as a search judges them: with intervals that allow for neighbouring requests being alike.

Requests that wait in the same queue, or share a batch, resemble each other, for seconds at a time near the limit of an
endpoint. An interval that takes them for independent draws is far too narrow there, and a search that trusted it would
follow chance. A search also weighs levels that are too short for an interval that could be published, so the intervals
here are the rough ones of `statistics.correlated`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fmbench_lib.metrics.groups.goodput import attained
from fmbench_lib.metrics.groups.level_times import ALL_QUANTILES
from fmbench_lib.metrics.level_sample import Facts, LevelSample, sample_of
from fmbench_lib.metrics.missing import Row, floats, number, text
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.requests import request_metrics
from fmbench_lib.metrics.statistics.arrays import Flags, Floats
from fmbench_lib.metrics.statistics.correlated import (
    CorrelatedEstimate,
    State,
    in_flight_at,
    rough_grouped_interval,
    rough_interval,
    rough_mean_interval,
)
from fmbench_lib.metrics.steady_window import steadiness
from fmbench_lib.metrics.window import moment_of_ending, moment_of_sending

_MOSTLY_FAILED = 0.5
_Z95 = 1.96


def search_readings(
    records: pd.DataFrame, facts: Facts, row: Row, names: Sequence[str], objectives: Objectives | None = None
) -> dict[str, CorrelatedEstimate]:
    """A level's values in the columns `names` of its `row`, with 95% intervals; None for what is not known.

    Percentiles and means have rough intervals for correlated requests, shares of requests Wilson's for the effective
    number of requests. Other columns have none.
    """
    requests = request_metrics(records)
    sent = moment_of_sending(requests)
    requests = requests.iloc[np.argsort(sent, kind="stable")]
    sample = sample_of(requests, steadiness(requests, facts), facts, objectives)
    in_flight = in_flight_at(np.sort(sent), sent, moment_of_ending(requests, number(facts, "timeout")))
    return {name: _reading(sample, in_flight, row, name) for name in names}


def overloaded(row: Row) -> bool:
    """Whether the endpoint could not keep up, by the row of a level: it failed most requests, or could not sustain the
    load."""
    requests, error_rate = number(row, "requests"), number(row, "error_rate")
    if requests and (not number(row, "successes") or (error_rate or 0.0) >= _MOSTLY_FAILED):
        return True
    return text(row, "stop_reason") == "saturation" or text(row, "sustainable") == "no"


def wilson(share: float, n: float) -> tuple[float | None, float | None]:
    """Wilson's 95% interval of a share of `n` requests; None for both ends where `n` is 0."""
    if n == 0:
        return None, None
    z = _Z95**2 / n
    middle = (share + z / 2) / (1 + z)
    half = _Z95 * math.sqrt(share * (1 - share) / n + z / (4 * n)) / (1 + z)
    return max(0.0, middle - half), min(1.0, middle + half)


def _reading(sample: LevelSample, in_flight: Floats, row: Row, name: str) -> CorrelatedEstimate:
    value, n = number(row, name), int(number(row, "requests") or 0)
    if value is None:
        return CorrelatedEstimate(n, None)
    family, _, what = name.rpartition("_")
    if name in ("error_rate", "slo_attainment"):
        effective = _effective_n(sample, in_flight, name)
        return CorrelatedEstimate(n, value, *wilson(value, effective), effective)
    if what not in (*ALL_QUANTILES, "mean"):
        return CorrelatedEstimate(n, value)
    found = _interval(sample, in_flight, family, what)
    if found.value is None:
        return CorrelatedEstimate(n, value)
    off = value - found.value  # none, but for the mean of gaps: its interval is that of the mean of responses
    low, high = (None if end is None else end + off for end in (found.low, found.high))
    return replace(found, value=value, low=low, high=high)


def _interval(sample: LevelSample, in_flight: Floats, family: str, what: str) -> CorrelatedEstimate:
    """The interval of a statistic of the successes in the window."""
    chosen = sample.counted & sample.requests["success"].to_numpy(dtype=bool)
    values, state = floats(sample.successes, family), State.of(in_flight[chosen])
    if family == "ITL":
        gaps = sample.gaps_in(sample.successes)
        if what != "mean":
            return rough_grouped_interval(gaps, ALL_QUANTILES[what], state)
        values = gaps.means()
    return rough_mean_interval(values, state) if what == "mean" else rough_interval(values, ALL_QUANTILES[what], state)


def _effective_n(sample: LevelSample, in_flight: Floats, name: str) -> float:
    """How many independent requests would tell as much of a share of them."""
    flags: Flags = sample.requests["success"].to_numpy(dtype=bool)
    if name == "slo_attainment" and sample.objectives:
        flags = attained(sample.requests, sample.objectives)["all"]
    state = State.of(in_flight[sample.counted])
    return rough_mean_interval(flags[sample.counted].astype(np.float64), state).effective_n
