"""Drift: whether latency or throughput changed during a level, as a trend over the slices of its window.

Consecutive requests are alike because they share batches, so a test over single requests finds trends everywhere.
This test looks at one number per slice: the Mann–Kendall statistic says whether the slices rise or fall more often
than chance would have it, the Theil–Sen slope by how much. Neither is moved by outliers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats, or_nan
from fmbench_lib.metrics.statistics.percentiles import percentile
from fmbench_lib.metrics.statistics.trend import mann_kendall, theil_sen
from fmbench_lib.metrics.window import completed_in

DRIFT_SLICES = 10
"""How many equal parts a level's window is cut into."""

LEAST_SLICES = 6
"""With fewer than six points no trend can be told from chance at p < 0.01."""

_CHANGE = "change over the window as a share of the median of the slices"
_CHANCE = "how likely such a trend is by chance: Mann–Kendall, two-sided p-value"
DRIFT = (
    Column("latency_drift", "share", "number", f"latency p50 of the slices: {_CHANGE}"),
    Column("latency_drift_p", "", "number", _CHANCE),
    Column("throughput_drift", "share", "number", f"completions in the slices: {_CHANGE}"),
    Column("throughput_drift_p", "", "number", _CHANCE),
)


@dataclass(frozen=True, slots=True)
class Drift:
    """`change`: Theil–Sen slope over the whole window as a share of the median; `p_value`: Mann–Kendall, two-sided."""

    change: float
    p_value: float


def drifts(sample: LevelSample) -> Cells:
    """The columns `DRIFT`: the trends of the slices' median latencies and of their completions."""
    medians: list[float] = []
    completions: list[float] = []
    for number, window in enumerate(sample.window.slices(DRIFT_SLICES) if sample.window else ()):
        part = sample.part(window, number)
        medians.append(or_nan(percentile(floats(part.chosen, "latency"), 0.5)))
        completions.append(float(completed_in(part.requests, window).sum()))
    row: Cells = {}
    for name, values in (("latency", medians), ("throughput", completions)):
        trend = drift(values) if values else None
        row[f"{name}_drift"] = trend.change if trend else NAN
        row[f"{name}_drift_p"] = trend.p_value if trend else NAN
    return row


def drift(values: Sequence[float]) -> Drift | None:
    """The trend over equally spaced slices; NaN marks a slice without a value.

    None where fewer than `LEAST_SLICES` have a value, or where their median is not positive.
    """
    y = np.asarray(values, dtype=np.float64)
    x = np.flatnonzero(~np.isnan(y)).astype(np.float64)
    known = y[~np.isnan(y)]
    if known.size < LEAST_SLICES:
        return None
    middle = float(np.median(known))
    if middle <= 0:
        return None
    return Drift(theil_sen(x, known) * (len(y) - 1) / middle, mann_kendall(known))
