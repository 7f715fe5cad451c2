"""A level's figures as a search judges them: with intervals that allow for neighbouring requests being alike.

Requests that wait in the same queue, or share a batch, resemble each other, for seconds at a time near the limit of an
endpoint. An interval that takes them for independent draws is far too narrow there, and a search that trusted it would
follow chance. So the window is cut into slices, and the interval comes from the spread between them.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from fmbench_lib.metrics.groups.level_times import QUANTILES
from fmbench_lib.metrics.level_sample import Facts
from fmbench_lib.metrics.missing import Row, floats, number
from fmbench_lib.metrics.requests import Floats, request_metrics
from fmbench_lib.metrics.statistics.percentiles import Estimate, clustered_estimate
from fmbench_lib.metrics.window import measured_in, window_of

SLICES = 20
_Z95 = 1.96


def figure(records: pd.DataFrame, facts: Facts, row: Row, name: str) -> Estimate:
    """A level's value in the column `name` of its `row`, with a 95% interval.

    Percentiles have an interval over slices of the window (`percentile_interval`), means one from the spread of the
    slices' means, shares of requests Wilson's interval. Other columns have no interval.
    """
    value, n = number(row, name), int(number(row, "requests") or 0)
    if value is None:
        return Estimate(n, None)
    family, _, what = name.rpartition("_")
    if name in ("error_rate", "slo_attainment"):
        return Estimate(n, value, *wilson(value, n))
    if family == "ITL" and what in QUANTILES:
        return Estimate(n, value, number(row, f"{name}_low"), number(row, f"{name}_high"))
    if what not in (*QUANTILES, "mean"):
        return Estimate(n, value)
    slices = _slices(records, facts, family)
    if what == "mean":
        return Estimate(n, value, *_mean_interval(value, slices))
    return Estimate(n, value, *percentile_interval(slices, QUANTILES[what]))


def percentile_interval(slices: list[Floats], q: float) -> tuple[float | None, float | None]:
    """A 95% interval of the `q`-quantile of the pooled values of slices, each a group of similar values.

    It is Korn and Graubard's. Where the effective number of values is too small for that, the jackknife over the
    slices is used instead, on logarithms: it needs no number of values but is rougher.
    """
    pooled = clustered_estimate(slices, q)
    if pooled.certain or pooled.value is None or pooled.value <= 0 or len(slices) < 3:
        return pooled.low, pooled.high
    count = len(slices)
    without = [np.concatenate([*slices[:left_out], *slices[left_out + 1 :]]) for left_out in range(count)]
    logs = np.log([max(float(np.quantile(values, q)), pooled.value / 1e6) for values in without])
    error = math.sqrt((count - 1) * float(logs.var()))
    return pooled.value * math.exp(-_Z95 * error), pooled.value * math.exp(_Z95 * error)


def wilson(share: float, n: int) -> tuple[float | None, float | None]:
    """Wilson's 95% interval of a share of `n` requests; None for both ends where `n` is 0."""
    if n == 0:
        return None, None
    z = _Z95**2 / n
    middle = (share + z / 2) / (1 + z)
    half = _Z95 * math.sqrt(share * (1 - share) / n + z / (4 * n)) / (1 + z)
    return max(0.0, middle - half), min(1.0, middle + half)


def _slices(records: pd.DataFrame, facts: Facts, family: str) -> list[Floats]:
    """The values of each slice of the window; a slice without any is left out."""
    window = window_of(facts)
    requests = request_metrics(records)
    if window is None:
        return []
    slices = []
    for part in window.slices(SLICES):
        chosen = requests[measured_in(requests, part) & requests["success"].to_numpy(dtype=bool)]
        if family == "ITL":
            values = np.concatenate(list(chosen["ITL"])) if len(chosen) else np.empty(0)
        else:
            values = floats(chosen, family)
        slices.append(values[~np.isnan(values)])
    return [values for values in slices if values.size]


def _mean_interval(mean: float, slices: list[Floats]) -> tuple[float | None, float | None]:
    if len(slices) < 2:
        return None, None
    means = np.array([float(values.mean()) for values in slices])
    half = _Z95 * float(means.std(ddof=1)) / math.sqrt(len(means))
    return mean - half, mean + half
