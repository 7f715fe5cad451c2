"""The facts of a level: what is true of it as a whole, kept beside its records and read by everything that judges it.

The names are fixed here, as this is the lowest room that reads them. Files of earlier versions may lack the newer ones:
what reads them from a file treats a missing one as null.
"""

from __future__ import annotations

from typing import TypedDict


class LoadFacts(TypedDict):
    """How the level's requests were sent. Times in seconds, rates per second; null for what did not act on it."""

    request_rate: float | None
    arrival: str | None
    burstiness: float | None
    max_concurrency: int | None
    think_time: float | None
    ramp: float | None
    until: str | None
    prompt_reuse: str
    timeout: float
    connect_timeout: float | None
    first_byte_timeout: float | None
    read_timeout: float | None
    balance: str | None
    raw_kept: bool


class AttemptFacts(TypedDict):
    """Which attempt at the level this was, from 1, and what the endpoint had been sent before it.

    `resent_prompts`: measured prompts that the run had sent it before, null where that is allowed. `earlier_run`: the
    last other run that had sent it prompts of this level, `earlier_run_at` when (Unix s), `earlier_prompts` how many of
    the measured ones, `earlier_ttft_p50` the median TTFT (s) of this load when they were sent first; null without one.
    """

    attempt: int
    resent_prompts: int | None
    earlier_run: str | None
    earlier_run_at: float | None
    earlier_prompts: int | None
    earlier_ttft_p50: float | None


class NodeFacts(TypedDict):
    """One machine of the cluster that sent a level. Times in seconds; null where a thing is not known.

    `workers` are the numbers of its load workers, `requests` its measured requests. `clock_offset` was to be added to
    its clock to have the driver's, `clock_bound` is how far that may be off, `clock_drift_ppm` by how much its clock
    ran faster. The lags are the p99 of its measured requests, `cpu` the share of a core of its busiest worker. `lost`
    is why it did not finish the level: its requests are not among the records.
    """

    name: str
    host: str
    workers: list[int]
    requests: int | None
    clock_offset: float
    clock_bound: float
    clock_drift_ppm: float | None
    schedule_lag_p99: float | None
    client_lag_p99: float | None
    cpu: float | None
    lost: str | None


class PartFacts(TypedDict):
    """A part of a level that was stopped and continued: when it was sent, in Unix seconds; Unix time less monotonic
    time then; and the time (s) between the part before and this one. Records are set back by the sum of gaps so far.
    """

    started: float
    ended: float
    unix_offset: float
    gap: float


class LevelFacts(LoadFacts, AttemptFacts):
    """All facts, in JSON's types. Times are Unix seconds; null where a thing did not happen.

    `scheduled_rate` is what an open loop's schedule holds per second, `requested` the number of measured requests
    asked for (null where time decides), `client_cpu` each worker's share of a core. `unix_offset` is Unix time less
    monotonic time, `clock_step_s` the largest step of the wall clock. `client_stopped_s` is the longest time in which
    a load worker did not run, `client_suspended_s` for how long the machine was suspended during the level.
    `parts` are those of a level that was stopped and continued, empty for one that was measured in one go. `nodes` are
    the machines of a cluster, null where the level was sent from this one.
    """

    experiment_name: str
    payload_file: str
    load: str
    concurrency: int | None
    scheduled_rate: float | None
    instance_type: str | None
    instance_count: int | None
    started: float
    window_start: float | None
    window_end: float | None
    ended: float
    stop_reason: str
    stop_note: str | None
    requested: int | None
    warmup: int
    workers: int
    client_cpu: list[float | None]
    unix_offset: float
    clock_step_s: float
    client_stopped_s: float
    client_suspended_s: float
    parts: list[PartFacts]
    tokenizer: str | None
    seed: int
    proxy: str | None
    nodes: list[NodeFacts] | None
