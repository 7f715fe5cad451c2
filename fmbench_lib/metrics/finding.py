"""What a check of the verdict found, and the words in which findings are told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fmbench_lib.metrics.missing import Row, number

Level: TypeAlias = Literal["valid", "degraded", "invalid"]
SEVERITY: dict[str, int] = {"valid": 0, "degraded": 1, "invalid": 2}


_ADVICE = {"load.requests": "measure at least {}", "load.duration": "measure for at least {} s"}
"""Keys of a config that mend a level when they are raised, and how a reason says it."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A key of the config that mends what was found, and the least that it takes: requests, or seconds."""

    key: str
    least: int

    @property
    def setting(self) -> str:
        """As a config has it: `load.requests: 72`."""
        return f"{self.key}: {self.least}"

    @property
    def advice(self) -> str:
        """As a reason says it, at its end."""
        return _ADVICE[self.key].format(self.least)


def remedy_of(setting: str | None) -> Remedy | None:
    """The remedy of a setting, None without one."""
    if setting is None:
        return None
    key, _, least = setting.partition(": ")
    return Remedy(key, int(least))


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    `client`: it is the client's doing, not the endpoint's. `remedy` is None where no setting alone mends it.
    """

    verdict: Level
    reason: str
    client: bool = False
    remedy: Remedy | None = None


def with_remedy(verdict: Level, cause: str, remedy: Remedy) -> Finding:
    """A finding whose reason ends with what to set."""
    return Finding(verdict, f"{cause}: {remedy.advice}", remedy=remedy)


def time_scale(row: Row) -> tuple[str, float] | None:
    """The time that delays are compared with: TTFT p50, or latency p50 where nothing streams."""
    for name in ("TTFT", "latency"):
        value = number(row, f"{name}_p50")
        if value is not None and value > 0:
            return name, value
    return None


def in_times(factor: float) -> str:
    """A factor, rounded up: `1.6 times`."""
    return f"{math.ceil(10 * factor) / 10:.1f} times" if factor < 10 else f"{math.ceil(factor):,} times"


def in_seconds(seconds: float) -> str:
    """A duration to three digits: `1.92 s`, `13 ms`."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
