"""A level's figures as a search judges them: with intervals that know that neighbouring requests are alike.

Requests that wait in the same queue, or share a batch, resemble each other; near the limit of what an endpoint can do
they do so for seconds. An interval that takes them for independent draws is too narrow there by a factor, and a search
that believed it would follow chance. So the window is cut into slices and the spread between them is what counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import QUANTILES
from fmbench_lib.metrics.missing import Row, floats, number
from fmbench_lib.metrics.percentiles import Estimate, clustered_estimate
from fmbench_lib.metrics.requests import Floats, request_metrics
from fmbench_lib.metrics.window import measured_in, window_of

SLICES = 20
_Z95 = 1.96


def figure(records: pd.DataFrame, facts: Mapping[str, Any], row: Row, name: str) -> Estimate:
    """The figure of a level by its column, with a 95% interval; `row` is the level's row.

    Percentiles are those of the row, with an interval over slices of the window (`percentile_interval`); means have
    the spread of the slices' means; shares of the requests have Wilson's interval. Others have no interval.
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
    """A 95% interval of the `q`-quantile of the pooled values of slices that resemble each other within.

    It is Korn and Graubard's. Where so few of the values are as good as independent that there is none, the jackknife
    over the slices stands in, on the logarithms: it needs no number of values but is rougher.
    """
    found = clustered_estimate(slices, q)
    if found.certain or found.value is None or found.value <= 0 or len(slices) < 3:
        return found.low, found.high
    count = len(slices)
    without = [np.concatenate([one for place, one in enumerate(slices) if place != left]) for left in range(count)]
    logs = np.log([max(float(np.quantile(values, q)), found.value / 1e6) for values in without])
    error = math.sqrt((count - 1) * float(logs.var()))
    return found.value * math.exp(-_Z95 * error), found.value * math.exp(_Z95 * error)


def wilson(share: float, n: int) -> tuple[float | None, float | None]:
    """Wilson's 95% interval of a share of `n`; None for no requests."""
    if n == 0:
        return None, None
    z = _Z95**2 / n
    middle = (share + z / 2) / (1 + z)
    half = _Z95 * math.sqrt(share * (1 - share) / n + z / (4 * n)) / (1 + z)
    return max(0.0, middle - half), min(1.0, middle + half)


def _slices(records: pd.DataFrame, facts: Mapping[str, Any], family: str) -> list[Floats]:
    """The values of each slice of the window; a slice without any is left out."""
    window = window_of(facts)
    requests = request_metrics(records)
    if window is None:
        return []
    found = []
    for part in window.slices(SLICES):
        chosen = requests[measured_in(requests, part) & requests["success"].to_numpy(dtype=bool)]
        if family == "ITL":
            values = np.concatenate(list(chosen["ITL"])) if len(chosen) else np.empty(0)
        else:
            values = floats(chosen, family)
        found.append(values[~np.isnan(values)])
    return [values for values in found if values.size]


def _mean_interval(mean: float, slices: list[Floats]) -> tuple[float | None, float | None]:
    if len(slices) < 2:
        return None, None
    means = np.array([float(values.mean()) for values in slices])
    half = _Z95 * float(means.std(ddof=1)) / math.sqrt(len(means))
    return mean - half, mean + half
