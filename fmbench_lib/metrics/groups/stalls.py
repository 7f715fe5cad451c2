"""What percentiles do not show: the longest times, requests that held a slot for long, and a silent endpoint.

One answer of 30 s among 400 of 0.1 s is beyond every percentile, and took as much of the endpoint as 300 others.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column, names
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats, number, or_nan
from fmbench_lib.metrics.rows import Rows
from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.percentiles import percentile
from fmbench_lib.metrics.statistics.silences import longest_and_plausible, silences
from fmbench_lib.metrics.window import Window, moment_of_ending, moment_of_sending

LONG = 5.0
"""A request is long beyond as many times the p95 of its level; of exponential times one in 3 million is."""

MAXIMA = tuple(Column(f"{family}_max", "s", "number", f"the longest {family}") for family in ("latency", "TTFT"))
STALLS = (
    Column(
        "long_requests",
        "",
        "whole number",
        f"requests, failed ones too, in flight for more than {LONG:g} times the p95 of all of them and of their length",
    ),
    Column("long_requests_share", "share", "number", "their time in flight, of that of all requests"),
    Column(
        "silence_max",
        "s",
        "number",
        "longest time in the window without a token or answer while requests were in flight",
    ),
    Column(
        "silence_plausible",
        "s",
        "number",
        "how long a silence the others, and the waits within requests, make plausible",
    ),
)
_AT_ONCE = 500_000
_NOT_THE_ENDPOINTS = ("timeout", "cancelled", "connect", "dns")


def stalls(sample: LevelSample) -> Cells:
    """The columns `MAXIMA` and `STALLS`; NaN for what has no requests, or too few of them to judge a silence."""
    row: Cells = {
        f"{family}_max": or_nan(percentile(floats(sample.successes, family), 1.0)) for family in ("latency", "TTFT")
    }
    return row | _long_requests(sample) | _silence(sample)


def _long_requests(sample: LevelSample) -> Cells:
    """Times in flight are from `sent` to `end`; longer answers may take longer, in proportion to their tokens."""
    chosen = sample.chosen
    times = moment_of_ending(chosen, number(sample.facts, "timeout")) - moment_of_sending(chosen)
    usual = percentile(times, 0.95)
    if usual is None or not np.nansum(times) > 0:
        return {"long_requests": NAN, "long_requests_share": NAN}
    tokens = floats(chosen, "completion_tokens")
    usual_tokens = percentile(tokens, 0.95)
    longer = np.fmax(tokens / usual_tokens, 1.0) if usual_tokens else np.ones(len(times))
    long = times > LONG * usual * longer
    return {
        "long_requests": int(long.sum()),
        "long_requests_share": float(np.nansum(times[long]) / np.nansum(times)),
    }


def _silence(sample: LevelSample) -> Cells:
    if sample.window is None:
        return dict.fromkeys(names(STALLS[2:]), NAN)
    parts = [sample.part(window, number) for number, window in enumerate(_spans(sample, sample.window))]
    longest, plausible = longest_and_plausible(lambda: map(_silences_in, parts), int(sample.counted.sum()))
    waits = np.concatenate([np.empty(0), *(_waits(sample, part) for part in sample.successes.parts(_AT_ONCE))])
    usual = percentile(waits, 0.75)
    return {
        "silence_max": or_nan(longest),
        "silence_plausible": NAN if plausible is None else max(plausible, usual or 0.0),
    }


def _spans(sample: LevelSample, window: Window) -> list[Window]:
    """The window in parts of some hundred thousand requests, cut where a success ended, as a silence ends there too."""
    success = sample.requests["success"].to_numpy(dtype=bool)[_AT_ONCE - 1 :: _AT_ONCE]
    ends = floats(sample.requests, "end")[_AT_ONCE - 1 :: _AT_ONCE][success]
    cuts = np.unique(ends[(ends > window.start) & (ends < window.end)])
    edges = [window.start, *cuts.tolist(), window.end]
    return [Window(begin, end) for begin, end in pairwise(edges)]


def _silences_in(part: LevelSample) -> Floats:
    assert part.window is not None
    requests = part.requests
    begin, end = moment_of_sending(requests), moment_of_ending(requests, number(part.facts, "timeout"))
    return silences(begin, end, _signs(part, end), (part.window.start, part.window.end))


def _waits(sample: LevelSample, chosen: Rows) -> Floats:
    """The longest wait within each success. Where all in flight happen to be in theirs, the endpoint is silent."""
    sent, first, last, end = (floats(chosen, name) for name in ("sent", "first", "last", "end"))
    gaps = np.nan_to_num(sample.gaps_in(chosen).maxima())
    waits: Floats = np.where(np.isnan(first), end - sent, np.fmax(np.fmax(first - sent, gaps), end - last))
    return waits


def _signs(sample: LevelSample, end: Floats) -> Floats:
    """When the endpoint showed that it works: every content event, and the end of every request but of those that the
    client gave up. NaN is none."""
    requests = sample.requests
    known = [end[~requests["error"].isin(_NOT_THE_ENDPOINTS).to_numpy(dtype=bool)]]
    known += [floats(requests, "first"), floats(requests, "last")]
    return np.concatenate([*known, sample.events.values])
