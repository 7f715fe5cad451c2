"""The settings of load that a run hands on, from its config to the workers. Plain values: what sends requests needs no
schema, nor the library that checks one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fmbench_lib.config.precision import Precision

CLOSED_LOOP_KEYS: Mapping[str, Any] = {"think_time": 0.0, "ramp": 0.0}
"""Keys that act in a closed loop alone, with the values that leave them idle."""

OPEN_LOOP_KEYS: Mapping[str, Any] = {"max_concurrency": None, "stop_on_saturation": False}
"""Keys that act in an open loop alone, beside those of its arrival process, with the values that leave them idle."""


@dataclass(frozen=True, slots=True)
class TraceEntry:
    """One request of a trace: its time in seconds, and its lengths in tokens where the trace has them."""

    time: float
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """How an experiment's requests are sent: the `load` section with everything resolved, named as its keys are.

    It is handed on whole, from the config to the workers and to the facts of each level. Times are in seconds.
    `timeout` is the experiment's own where it has one, `workers` None for `auto`, `stop_on_error_rate` None for never,
    `trace` what is in the file, and `ca_bundle` the path of the file to use, None for the system's authorities.
    """

    timeout: float = 120.0
    connect_timeout: float | None = None
    first_byte_timeout: float | None = None
    read_timeout: float | None = None
    workers: int | None = None
    prompt_reuse: str = "never"
    arrival: str = "poisson"
    burstiness: float = 1.0
    trace: tuple[TraceEntry, ...] | None = None
    max_concurrency: int | None = None
    think_time: float = 0.0
    ramp: float = 0.0
    until: Precision | None = None
    stop_on_error_rate: float | None = 1.0
    stop_on_saturation: bool = False
    max_response_bytes: int = 64 << 20
    balance: str = "least_outstanding"
    keep_raw: bool = False
    ca_bundle: str | None = None

    @property
    def repeats_prompts(self) -> bool:
        """Whether a level may send a prompt again when it has sent them all."""
        return self.prompt_reuse == "allowed"

    def in_loop(self, *, closed: bool) -> LoadSettings:
        """The settings of a closed or an open loop, without those that act in the other one alone."""
        return replace(self, **(OPEN_LOOP_KEYS if closed else CLOSED_LOOP_KEYS))
