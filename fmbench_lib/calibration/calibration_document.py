"""The shape of a calibration's file: what was measured, where, and how far it reaches."""

from __future__ import annotations

from typing import TypedDict

from fmbench_lib.host.facts import HostFacts
from fmbench_lib.metrics.level_facts import NodeFacts


class CalibrationRow(TypedDict):
    """One level. Times and errors are in seconds, null for what does not exist.

    One of `streams` (closed loop) and `event_rate` (content events/s asked for) is set. `joined`: requests that are in
    the emulator's ledger too, `uneven`: those of them whose events do not match. `share_of_ideal`: of the events that
    an ideal client would have measured. Errors are what was measured less what was true; `_mean` with its sign, the
    percentiles without. `client_cpu_max` is the share of a core, `client_cpu_per_event` CPU seconds. `nodes` are the
    machines of a cluster, null where one machine sent.
    """

    load: str
    streams: int | None
    event_rate: float | None
    requests: int
    failed: int
    joined: int
    uneven: int
    workers: int
    events_per_second: float
    share_of_ideal: float
    TTFT_error_p50: float | None
    TTFT_error_p99: float | None
    TTFT_error_mean: float | None
    TTFT_error_from_sent_p50: float | None
    TTFT_error_from_sent_p99: float | None
    ITL_error_p50: float | None
    ITL_error_p99: float | None
    ITL_error_mean: float | None
    client_lag_p99: float | None
    schedule_lag_p99: float | None
    client_cpu_max: float | None
    client_cpu_per_event: float | None
    stamp_source: str
    server_stamp_source: str
    nodes: list[NodeFacts] | None


class CalibrationConditions(TypedDict):
    """What a calibration was made with. `date` is UTC in ISO 8601, `load_average` that of a minute before it began,
    `settings` what the emulator answers and how long a level takes (s)."""

    schema: int
    fmbench: str
    date: str
    machine: HostFacts
    load_average: float
    settings: dict[str, float]


class CalibrationDocument(CalibrationConditions):
    """The file. `within` has by limit (`1_ms`) the most streams, and content events per second, whose TTFT is measured
    within it; null where none is."""

    within: dict[str, dict[str, float | None]]
    levels: list[CalibrationRow]
