"""Distributions of an emulated endpoint's times and lengths, each with its true mean."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Protocol

from fmbench_lib.errors import InputError


class Distribution(Protocol):
    """A random quantity that is never negative; `str()` returns the notation that `parse_distribution` reads."""

    def draw(self, rng: random.Random) -> float:
        """One value."""
        ...


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same value."""

    mean: float

    def draw(self, rng: random.Random) -> float:
        """The mean; the generator is not used."""
        return self.mean

    def __str__(self) -> str:
        return f"constant:{self.mean!r}"


@dataclass(frozen=True, slots=True)
class Normal:
    """A normal distribution whose negative values are clipped to 0."""

    mean: float
    deviation: float

    def draw(self, rng: random.Random) -> float:
        """One value, clipped at 0."""
        return max(0.0, rng.gauss(self.mean, self.deviation))

    def __str__(self) -> str:
        return f"normal:{self.mean!r},{self.deviation!r}"


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A log-normal distribution given by its own mean and standard deviation, not by those of its logarithm."""

    mean: float
    deviation: float

    def draw(self, rng: random.Random) -> float:
        """One value; 0 for a mean of 0."""
        if self.mean <= 0:
            return 0.0
        variance = math.log1p((self.deviation / self.mean) ** 2)
        return rng.lognormvariate(math.log(self.mean) - variance / 2, math.sqrt(variance))

    def __str__(self) -> str:
        return f"lognormal:{self.mean!r},{self.deviation!r}"


@dataclass(frozen=True, slots=True)
class Exponential:
    """An exponential distribution with this mean."""

    mean: float

    def draw(self, rng: random.Random) -> float:
        """One value; 0 for a mean of 0."""
        return rng.expovariate(1 / self.mean) if self.mean > 0 else 0.0

    def __str__(self) -> str:
        return f"exponential:{self.mean!r}"


_KINDS: dict[str, tuple[type[Constant | Normal | LogNormal | Exponential], int]] = {
    "constant": (Constant, 1),
    "normal": (Normal, 2),
    "lognormal": (LogNormal, 2),
    "exponential": (Exponential, 1),
}


def parse_distribution(text: str) -> Distribution:
    """Read `0.05`, `constant:0.05`, `normal:MEAN,DEVIATION`, `lognormal:MEAN,DEVIATION` or `exponential:MEAN`.

    Raises:
        InputError: the text is none of these, or a number is negative or not finite.
    """
    kind, separator, numbers = text.partition(":")
    if not separator:
        kind, numbers = "constant", text
    try:
        distribution, count = _KINDS[kind.strip()]
        values = [float(number) for number in numbers.split(",")]
        valid = len(values) == count and all(math.isfinite(value) and value >= 0 for value in values)
    except (KeyError, ValueError):
        valid = False
    if not valid:
        raise InputError(
            f"{text!r} is not a distribution: write a number, constant:MEAN, normal:MEAN,DEVIATION, "
            "lognormal:MEAN,DEVIATION or exponential:MEAN, with numbers >= 0"
        )
    return distribution(*values)
