"""What a check of the verdict found, and the words in which findings are told."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fmbench_lib.metrics.missing import Row, number

Level: TypeAlias = Literal["valid", "degraded", "invalid"]
SEVERITY: dict[str, int] = {"valid": 0, "degraded": 1, "invalid": 2}


_ADVICE = {"load.requests": "measure at least {}", "load.duration": "measure for at least {} s"}
"""Keys of a config that mend a level when they are raised, and how a reason says it."""

MORE_WORKERS = "use more workers"
GREATER_CAP = "offer less or raise load.max_concurrency"
MORE_PROMPTS = "add some or allow their reuse"
NAME_TOKENIZER = "name a tokenizer or have the server report usage"
SEE_ERRORS = "see the errors by class"
OFFER_LESS = "offer less"
MEASURE_LONGER = "measure longer"
WARM_UP = "warm up and measure longer"
WARM_UP_OR_LESS = "warm up longer, or offer less than makes a queue grow"
SEVERAL_TIMES = "ask for several times as many, or for a lower concurrency"
"""What to do, as a reason says it at its end, where a report knows the setting that does it."""
_AS_LONG = "measure {} times as long"


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


def remedy_in(advice: str) -> Remedy | None:
    """The remedy whose `advice` this is, None where it is another advice."""
    for key, form in _ADVICE.items():
        least = _number_in(form, advice)
        if least is not None:
            return Remedy(key, int(least))
    return None


def as_long(factor: float) -> str:
    """The advice to measure so many times as long as was measured."""
    return _AS_LONG.format(in_times(factor).removesuffix(" times"))


def factor_in(advice: str) -> float | None:
    """The factor of the advice of `as_long`, None where it is another advice."""
    return _number_in(_AS_LONG, advice)


def _number_in(form: str, advice: str) -> float | None:
    before, after = form.split("{}")
    found = re.fullmatch(rf"{re.escape(before)}([\d,]+(?:\.\d+)?){re.escape(after)}", advice)
    return None if found is None else float(found[1].replace(",", ""))


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
    """A duration to three digits: `1.92 s`, `13 ms`; a long one in whole seconds."""
    if seconds >= 1000:
        return f"{seconds:,.0f} s"
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
