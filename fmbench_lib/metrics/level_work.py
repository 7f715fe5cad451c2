"""The work that a level's successes did in its window: requests, tokens, and those of them within the objectives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fmbench_lib.metrics.groups.queue_growth import queue_grows
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import floats, number
from fmbench_lib.metrics.statistics.arrays import Flags, Floats
from fmbench_lib.metrics.statistics.ragged import Ragged
from fmbench_lib.metrics.statistics.work_in_window import Rate, batch_edges, rate_of_batches, tokens_until, work_until
from fmbench_lib.metrics.window import mean_in_flight, moment_of_ending, moment_of_sending


@dataclass(frozen=True, slots=True)
class Turns:
    """The requests that the slots of a closed loop sent in the window, for what the loop does in the long run.

    `sent` are those requests, failed ones too, `slot_seconds` the time (s) that all of them took, to their ends after
    the window, and `in_flight` how many requests were in flight on average over the window.
    """

    sent: Flags
    slot_seconds: float
    in_flight: float

    def rate(self, success: Flags, amounts: Floats | None = None) -> float | None:
        """Successes, or what `amounts` says each of them is, per second; None where nothing was sent or took time."""
        if self.slot_seconds <= 0:
            return None
        done = self.sent & success
        total = float(done.sum()) if amounts is None else float(amounts[done].sum())
        return self.in_flight * total / self.slot_seconds


@dataclass(frozen=True, slots=True)
class Work:
    """The requests of a level, of any phase, as work spread over time; what failed is no work.

    The work of `success` is spread evenly from `start` to `end` (Unix s). `events` are the arrivals of a response's
    content. `edges` are those of the window's batches, `offered` the arrivals of an open loop up to each of them.
    `grows`: requests pile up, so that most of those in flight are not worked on; such a level's work is what it
    completed, and has no interval. `turns` are those of a closed loop, whose window begins with a request: what was in
    flight then had mostly just begun, so that the work inside is more than usual.
    """

    success: Flags
    start: Floats
    end: Floats
    events: Ragged
    edges: Floats
    offered: Floats | None
    grows: bool
    turns: Turns | None

    def requests(self, chosen: Flags | None = None) -> Rate:
        """Successes per second, all of them or the chosen ones."""
        use = self._used(chosen)
        return self._rate(work_until(self.edges, self.start[use], self.end[use]), self._in_turns(use))

    def tokens(self, counts: Floats, chosen: Flags | None = None, *, by_events: bool = False) -> Rate | None:
        """Tokens per second, of which each request has `counts`: spread evenly over its time or over its events.

        A response without events is spread over its time. None where one count is unknown, as the sum of the others
        would understate the rate.
        """
        use = self._used(chosen)
        if np.isnan(counts[use]).any():
            return None
        with_events = (self.events.sizes > 0) & by_events & (not self.grows)
        spread, came = use & ~with_events, np.flatnonzero(use & with_events)
        done = work_until(self.edges, self.start[spread], self.end[spread], counts[spread])
        if came.size:
            done += tokens_until(self.edges, self.events.take(came), counts[came])
        return self._rate(done, self._in_turns(use, counts))

    @property
    def idle(self) -> bool:
        """Whether no success did any of its work in the window."""
        return not self._used(None).any()

    def _used(self, chosen: Flags | None) -> Flags:
        inside: Flags = self.success & (self.end >= self.edges[0]) & (self.start <= self.edges[-1])
        return inside if chosen is None else inside & chosen

    def _in_turns(self, use: Flags, amounts: Floats | None = None) -> float | None:
        return None if self.turns is None else self.turns.rate(use, amounts)

    def _rate(self, done: Floats, in_turns: float | None) -> Rate:
        rate = rate_of_batches(done, self.edges, self.offered)
        if self.grows:
            return Rate(rate.value)
        return rate if in_turns is None else rate.at(in_turns)


def work_of(sample: LevelSample) -> Work | None:
    """The work in the window of a sample; None without a window."""
    if sample.window is None:
        return None
    requests, grows = sample.requests, queue_grows(sample)
    success: Flags = requests["success"].to_numpy(dtype=bool)
    start, end = moment_of_sending(requests), floats(requests, "end")
    edges = batch_edges((sample.window.start, sample.window.end), sample.moments.mean_time)
    offered = None
    if number(sample.facts, "concurrency") is None:
        arrived = np.searchsorted(sample.moments.dues, edges, side="right")
        offered = arrived.astype(np.float64)
    turns = _turns(sample) if offered is None and sample.slice is None else None
    return Work(success, end if grows else start, end, _events(sample), edges, offered, grows, turns)


def _turns(sample: LevelSample) -> Turns | None:
    requests, timeout = sample.requests, number(sample.facts, "timeout")
    times = (moment_of_ending(requests, timeout) - moment_of_sending(requests))[sample.counted]
    if sample.window is None or np.isnan(times).any():
        return None
    return Turns(sample.counted, float(times.sum()), mean_in_flight(requests, sample.window, timeout))


def _events(sample: LevelSample) -> Ragged:
    """The events of the requests that streamed."""
    streamed = floats(sample.requests, "streamed") == 1
    if streamed[sample.events.sizes > 0].all():
        return sample.events
    return sample.events.where(np.repeat(streamed, sample.events.sizes))
