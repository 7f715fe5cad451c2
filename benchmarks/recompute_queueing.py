"""What is said of a level as a whole: queue growth, steady state, trends, work in the window. Written from
docs/metrics.md with numpy and scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from recompute_capacity import load_of, requests_of
from recompute_reading import Flags, Floats, Level
from scipy.stats import norm, rankdata, t

Span = tuple[float, float]

PARTS = 20


def growth(due: Floats, ended: Floats, failed: Flags, window: Span) -> tuple[str, int, int, float]:
    """Whether a load can be sustained, the requests due and not ended at the edges of the window, and how many times as
    long to measure for an answer."""
    edges = np.linspace(*window, PARTS + 1)
    arrivals = np.array([np.count_nonzero(due <= edge) for edge in edges])
    ends = np.array([np.count_nonzero(ended <= edge) for edge in edges])
    waiting = arrivals - ends
    grown, offered, served = waiting[-1] - waiting[0], arrivals[-1] - arrivals[0], ends[-1] - ends[0]
    answer, longer = "unknown", 40 / max(served, 1)
    if served >= 20:
        load, error = load_of(requests_of(due, ended, failed, window), float(offered))
        longer = max(2.0, ((1.85 + 1.282) * error / math.log(1.1 / 0.95)) ** 2) if math.isfinite(error) else longer
        most = math.log(1 / 0.98)
        back = waiting[-7:].min() <= np.median(waiting[:7]) and grown / offered <= max(0.02, error)
        more = np.median(waiting[-7:]) > np.median(waiting[:7])
        piled_up = grown / offered > (1 - math.exp(-load)) / 2
        if more and piled_up and load > max(most, math.log(0.95) + 1.85 * error):
            answer = "no"
        elif back and load <= min(most, math.log(1.25) - 1.645 * error):
            answer = "yes"
    return answer, int(waiting[0]), int(waiting[-1]), longer if answer == "unknown" else 1.0


def steady_state(level: Level, window: Span) -> tuple[Span, bool | None, float]:
    """The window from the steady state on, whether there is one, and how long after the first request it began."""
    order = np.argsort(level.due, kind="stable")
    known = order[~np.isnan(level.times["latency"][order])]
    latencies, due = level.times["latency"][known], level.due[known]
    open_loop = level.fact("concurrency") is None and level.facts.get("arrival") != "trace"
    if not open_loop or len(known) < 50:
        return window, None, math.nan
    cut = _beginning(latencies)
    least = int(np.searchsorted(due, due[0] + np.quantile(latencies[cut:], 0.95), side="left"))
    kept = max(cut, least)
    if (
        kept > len(known) // 2
        or growth(level.due, level.ended, ~level.ok, window)[0] == "no"
        or _drifts(latencies[kept:])
    ):
        return window, False, math.nan
    after = float(due[kept] - due[0])
    start = max(window[0], float(due[0]) + after)
    return ((start, window[1]) if start < window[1] else window), True, after


def _beginning(latencies: Floats) -> int:
    """How many of the first latencies are cut off: they must typically be 5% above or below the others."""
    looked_at = latencies
    while len(looked_at) >= 50 and (cut := 5 * _mser(looked_at)) > 0:
        ratio = np.median(latencies[:cut]) / np.median(latencies[cut:])
        if not 0.95 <= ratio <= 1.05:
            return cut
        looked_at = looked_at[: len(looked_at) // 4]
    return 0


def _mser(latencies: Floats) -> int:
    """The first number of batches of five to leave out whose criterion is within 30% of the least."""
    batches = len(latencies) // 5
    means = latencies[len(latencies) - 5 * batches :].reshape(batches, 5).mean(axis=1)
    criteria = [float(np.var(means[cut:])) / (batches - cut) for cut in range(batches // 2 + 1)]
    return next(cut for cut, value in enumerate(criteria) if value <= 1.3 * min(criteria))


def _drifts(latencies: Floats) -> bool:
    medians = [float(np.median(part)) for part in np.array_split(latencies, 10)]
    change, chance = trend(medians)
    return abs(change) > 0.2 and chance < 0.01


def trend(values: Sequence[float]) -> tuple[float, float]:
    """Theil and Sen's slope over all slices as a share of their median, and Mann and Kendall's p-value."""
    places = [place for place, value in enumerate(values) if not math.isnan(value)]
    known = np.array([values[place] for place in places])
    if len(known) < 6 or np.median(known) <= 0:
        return math.nan, math.nan
    pairs = [(i, j) for i in range(len(known)) for j in range(i + 1, len(known))]
    slopes = [(known[j] - known[i]) / (places[j] - places[i]) for i, j in pairs]
    change = float(np.median(slopes)) * (len(values) - 1) / float(np.median(known))
    return change, _mann_kendall(known, pairs)


def _mann_kendall(values: Floats, pairs: list[tuple[int, int]]) -> float:
    n, score = len(values), sum(float(np.sign(values[j] - values[i])) for i, j in pairs)
    ties = np.unique(rankdata(values), return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))) / 18
    if score == 0 or variance <= 0:
        return 1.0
    return float(2 * norm.sf((abs(score) - 1) / math.sqrt(variance)))


def holds(window: Span, moments: Floats, *, closed: bool) -> Flags:
    """Which moments lie in the window; its end belongs to it if it is `closed`."""
    return (moments >= window[0]) & ((moments <= window[1]) if closed else (moments < window[1]))


def in_flight(begun: Floats, ended: Floats, window: Span) -> float:
    """The time integral of the requests in flight over the window, divided by its length."""
    inside = np.minimum(ended, window[1]) - np.maximum(begun, window[0])
    return float(np.nansum(np.maximum(inside, 0.0))) / (window[1] - window[0])


def batches(window: Span, mean_time: float) -> Floats:
    """The edges of the batches for an interval of throughput."""
    most = 20 if mean_time <= 0 else int((window[1] - window[0]) / (3 * mean_time))
    return np.linspace(*window, max(1, min(20, most)) + 1)


def spread_over_time(edges: Floats, begun: Floats, ended: Floats, amounts: Floats) -> Floats:
    """The work in each batch: every request by the share of its time inside. One without a length is done at once."""
    done = np.zeros(len(edges))
    for start, end, amount in zip(begun, ended, amounts, strict=True):
        if math.isnan(start) or math.isnan(end):
            continue
        share = np.clip((edges - start) / (end - start), 0, 1) if end > start else (edges >= start).astype(float)
        done += amount * share
    return np.diff(done)


def spread_over_events(edges: Floats, events: Sequence[Floats], amounts: Floats) -> Floats:
    """The tokens in each batch: those of a response are spread evenly over its content events."""
    done = np.zeros(len(edges))
    for times, amount in zip(events, amounts, strict=True):
        done += amount * np.searchsorted(np.sort(times), edges, side="right") / len(times)
    return np.diff(done)


def rate(work: Floats, edges: Floats, arrivals: Floats | None) -> tuple[float, float, float]:
    """Work per second and the ends of its interval, NaN where there are fewer than six batches."""
    seconds, count, fitted = float(edges[-1] - edges[0]), len(work), 1
    value = float(work.sum()) / seconds
    if count < 6:
        return value, math.nan, math.nan
    off = work - work.mean()
    if arrivals is not None:
        control = arrivals - arrivals.mean()
        if np.dot(control, control) > 0:
            off, fitted = off - control * np.dot(control, off) / np.dot(control, control), 2
    squares = float(np.dot(off, off)) + 2 * max(0.0, float(np.dot(off[1:], off[:-1])))
    half = student(count - fitted) * math.sqrt(count * squares / (count - fitted)) / seconds
    return value, max(0.0, value - half), value + half


def student(freedom: float) -> float:
    """The 97.5% quantile of Student's t as documented: by Cornish and Fisher's expansion from three degrees on."""
    if freedom < 3:
        return float(t.ppf(0.975, freedom))
    z = float(norm.ppf(0.975))
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
