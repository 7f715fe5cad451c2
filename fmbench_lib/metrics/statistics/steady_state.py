"""Where a level's steady state begins: how much of its beginning is warm-up.

A level starts from an idle endpoint, or with a burst, and what it measures until the queue has filled or emptied is
of that beginning. The rule is MSER-5 (White 1997; White, Cobb & Spratt 2000): of the means of five requests each, cut
off as many as make the standard error of the mean of the others smallest. A biased beginning makes the spread greater
than the fewer values do.

So does a part in which a few requests took long. That is no beginning, and what it has is the tail that is to be
measured: what is cut off must be typically faster or slower than the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.trend import mann_kendall, theil_sen

BATCH = 5
LEAST_BATCHES = 10
_SLACK = 1.3
_LIKE = 0.05  # of the median of the rest, by which that of a beginning differs at least
_SHORTER = 4
_SLICES = 10
_TREND_CHANCE = 0.01
_TREND_CHANGE = 0.2


@dataclass(frozen=True, slots=True)
class WarmUp:
    """The beginning of a level that does not belong to its steady state.

    `requests` are the first ones to be left out, `seconds` the time from the first of all until the first that is
    kept was due. Where `ends` is False no steady state was reached, and nothing of the level is one's figures.
    """

    requests: int
    seconds: float
    ends: bool = True


def warm_up(times: Floats, due: Floats, least_requests: int = 0) -> WarmUp:
    """The warm-up of a level: `times` are the latencies of its requests in order of sending (NaN: failed).

    It lasts as long as `beginning` says, at least one p95 of the latency, and at least `least_requests`: in a closed
    loop give the concurrency, so that no slot's first request is measured. Times are in seconds.

    It has no end when it would be more than half the level, or when the latencies of what is left still rise or fall:
    a trend over ten slices by more than a fifth that chance gives once in a hundred times (Mann–Kendall). MSER assumes
    that the beginning is biased and the rest is not; of a series that is all beginning it cuts off half.
    """
    known = ~np.isnan(times)
    values, moments = times[known], due[known]
    total = int(values.size)
    if total < BATCH * LEAST_BATCHES:
        return WarmUp(total, _span(moments), ends=False)
    cut = beginning(values)
    latest = moments[0] + float(np.quantile(values[cut:], 0.95))
    first = int(np.searchsorted(moments, latest, side="left"))
    kept = max(cut, first, int(np.searchsorted(np.cumsum(known)[known], least_requests, side="right")))
    if kept > total // 2:
        return WarmUp(int(np.flatnonzero(known)[min(kept, total - 1)]), _span(moments[: kept + 1]), ends=False)
    return WarmUp(int(np.flatnonzero(known)[kept]), _span(moments[: kept + 1]), not _trends(values[kept:]))


def beginning(values: Floats) -> int:
    """How many of the first values do not belong to the rest: as many as MSER-5 cuts off, where their median is not
    within 5% of that of the rest. Where it is, a beginning is looked for in the first quarter, and so on.
    """
    size = len(values)
    while size >= BATCH * LEAST_BATCHES:
        cut = BATCH * mser(values[:size])
        if cut == 0:
            return 0
        rest = float(np.median(values[cut:]))
        if abs(float(np.median(values[:cut])) - rest) > _LIKE * rest:
            return cut
        size //= _SHORTER
    return 0


def mser(values: Floats, batch: int = BATCH) -> int:
    """How many batches of `batch` values to leave out at the beginning, at most half of them (MSER).

    The criterion is the sum of squares about the mean of what is left over the square of its number. Of a series that
    is correlated, the least criterion often cuts off a high stretch by chance, and with it the tail that is to be
    measured; so the first cut is taken whose criterion is at most 30% above the least.
    """
    count = len(values) // batch
    means = values[len(values) - count * batch :].reshape(count, batch).mean(axis=1)
    left = np.arange(count, 0, -1, dtype=np.float64)
    total, squares = np.cumsum(means[::-1])[::-1], np.cumsum(means[::-1] ** 2)[::-1]
    criterion = np.maximum(squares - total**2 / left, 0.0) / left**2
    choice = criterion[: count // 2 + 1]
    return int(np.argmax(choice <= _SLACK * choice.min()))


def _trends(values: Floats) -> bool:
    medians = np.array([np.median(part) for part in np.array_split(values, _SLICES)])
    middle = float(np.median(medians))
    change = abs(theil_sen(np.arange(_SLICES, dtype=np.float64), medians)) * (_SLICES - 1)
    return middle > 0 and change > _TREND_CHANGE * middle and mann_kendall(medians) < _TREND_CHANCE


def _span(moments: Floats) -> float:
    return float(moments[-1] - moments[0]) if moments.size else 0.0
