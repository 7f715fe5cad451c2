"""What a worker tells the engine of its share of a level: counts while it runs, and the window's edges at the end."""

from __future__ import annotations

import time

from fmbench_lib.load.sending import clocks
from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.pacing import Pacing
from fmbench_lib.load.sending.worker_protocol import End, ProgressMessage

monotonic_ns = time.monotonic_ns
_LEAST_SUSPENSION_NS = 50_000_000
"""Less than any suspension takes, and far more than two clocks are read apart."""


class WorkerReport:
    """Counts and times so far. `with_latencies`: progress messages carry the latencies of the successes."""

    def __init__(self, *, with_latencies: bool) -> None:
        self._sent = self._done = self._errors = 0
        self._with_latencies = with_latencies
        self._latencies: list[float] = []  # s, since the last progress message
        self._first_due_ns: int | None = None  # of the measured ones
        self._last_sent_ns: int | None = None
        self._samples = [clocks.sample()]
        self._asleep_ns = clocks.asleep_ns()
        self._suspensions: list[tuple[int, int]] = []
        self._cpu_begin: tuple[int, float] | None = None
        self._cpu_end: tuple[int, float] | None = None

    def started(self, exchange: Exchange) -> None:
        """A request is being sent; the first measured one begins the worker's part of the window."""
        self._sent += 1
        if exchange.measured and self._first_due_ns is None:
            self._first_due_ns = exchange.due_ns
            self._cpu_begin = (monotonic_ns(), time.process_time())

    def ended(self, exchange: Exchange) -> None:
        """A request has ended, for good."""
        self._done += 1
        failed = exchange.failed
        if failed:
            self._errors += 1
        if not exchange.measured:
            return
        if self._with_latencies and not failed and exchange.user_ns:
            self._latencies.append((exchange.user_ns[-1] - exchange.due_ns) / 1e9)
        if exchange.sent_ns is not None:
            self._last_sent_ns = max(self._last_sent_ns or 0, exchange.sent_ns)

    def stopped(self) -> None:
        """Nothing more is sent: the window is over."""
        self._cpu_end = (monotonic_ns(), time.process_time())

    def progress(self, in_flight: int) -> ProgressMessage:
        """The message for now; samples the clocks too."""
        self._sample()
        latencies, self._latencies = self._latencies, []
        return {
            "event": "progress",
            "sent": self._sent,
            "done": self._done,
            "errors": self._errors,
            "in_flight": in_flight,
            "latencies": latencies,
        }

    def end(self, pacing: Pacing, stopped_ns: int | None, *, told: bool) -> End:
        """The last message; `told`: the engine ended the level."""
        self._sample()
        return {
            "event": "end",
            "sent": self._sent,
            "done": self._done,
            "errors": self._errors,
            "stopped_ns": stopped_ns,
            "out_of_time": pacing.out_of_time,
            "told": told,
            "overran": pacing.overran,
            "first_due_ns": self._first_due_ns,
            "last_sent_ns": self._last_sent_ns,
            "cpu": self._cpu(),
            "clock_samples": self._samples,
            "suspensions": self._suspensions,
        }

    def _sample(self) -> None:
        """Sample the clocks, and note it where the machine has been suspended since the last time."""
        asleep = clocks.asleep_ns()
        self._samples.append(clocks.sample())
        if asleep is not None and self._asleep_ns is not None and asleep - self._asleep_ns > _LEAST_SUSPENSION_NS:
            self._suspensions.append((self._samples[-1][0], asleep - self._asleep_ns))
            self._asleep_ns = asleep

    def _cpu(self) -> float | None:
        """The share of a core that was used in the window; None where it has no length."""
        begin, end = self._cpu_begin, self._cpu_end
        if begin is None or end is None or end[0] <= begin[0]:
            return None
        return (end[1] - begin[1]) / ((end[0] - begin[0]) / 1e9)
