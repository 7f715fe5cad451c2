"""A level as the engine knows it: prompts are numbers, and the load is the config's."""

from __future__ import annotations

from dataclasses import dataclass, field

from fmbench_lib.config.load_settings import LoadSettings, TraceEntry
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.levels.arrivals.schedule import mean_rate
from fmbench_lib.load.sending.script_call import UserScript


@dataclass(frozen=True, slots=True)
class Level:
    """What the engine needs to know of a level. Prompts are numbers: indexes into the requests given beside it.

    `concurrency` makes it a closed loop, `request_rate` (per second) an open one. Exactly one of them is set, except
    for an arrival process with times of its own, whose rate may be left out.

    `measured` goes round in a fresh order each time where `load` lets prompts be sent again. A level ends by `stop`, or
    when there are no prompts left; sooner where `load` says so. With a `script`, that is called for each request, and
    nothing is sent to `urls`. With `write_each`, an exchange is in the spool as soon as it has ended, whatever that
    costs the others: for requests that must not be sent twice, and whose times matter little. What is in flight when
    the level is given up, or when its engine dies, is waited for and spooled. Ids of requests begin with `level_id`.

    A level that was stopped is continued with the request at the position `resume_at`, after another warm-up: in an
    open loop with the gaps that its schedule has from there on, in a closed one for what `measured_s` seconds leave of
    its duration.
    """

    urls: tuple[str, ...]
    warmup: tuple[int, ...]
    measured: tuple[int, ...]
    seed: str
    load: LoadSettings
    stop: StopRule = field(default_factory=StopRule)
    concurrency: int | None = None
    request_rate: float | None = None
    script: UserScript | None = None
    write_each: bool = False
    level_id: str | None = None
    resume_at: int | None = None
    measured_s: float = 0.0

    @property
    def first_measured(self) -> int:
        """The position of the first measured request that is sent."""
        return len(self.warmup) if self.resume_at is None else self.resume_at

    @property
    def requests_left(self) -> int | None:
        """How many requests are yet to be sent, with the warm-up; None where that depends on time."""
        return None if self.stop.requests is None else len(self.warmup) + self.stop.requests - self.already_measured

    @property
    def already_measured(self) -> int:
        """How many measured requests were sent before the level was stopped."""
        return self.first_measured - len(self.warmup)

    @property
    def duration_left(self) -> float | None:
        """For how long (s) a closed loop measures, None where its time is not limited."""
        return None if self.stop.duration is None else max(self.stop.duration - self.measured_s, 0.0)

    @property
    def open_loop(self) -> bool:
        """Whether requests are sent when they are due, and not when others have ended."""
        return self.concurrency is None

    @property
    def trace(self) -> tuple[TraceEntry, ...] | None:
        """The trace whose times an open loop follows; None for every other level."""
        return self.load.trace if self.open_loop else None

    @property
    def mean_rate(self) -> float | None:
        """Requests per second of an open loop; None for a closed one, or a trace whose times are all the same."""
        return mean_rate(self.load, self.request_rate) if self.open_loop else None

    @property
    def max_in_flight(self) -> int | None:
        """The most requests that may be in flight: the concurrency, or an open loop's cap; None where nothing caps."""
        return self.load.max_concurrency if self.open_loop else self.concurrency

    @property
    def first_prompts(self) -> tuple[int, ...]:
        """What the slots of a closed loop send first, by slot: the warm-up, as far as it goes; none where they ramp."""
        return () if self.concurrency is None or self.load.ramp else self.warmup[: self.concurrency]

    @property
    def workers(self) -> int | None:
        """How many workers were asked for, None for as many as suit. Each loads a script anew, so that one has one."""
        return self.load.workers or (None if self.script is None else 1)
