"""Lengths in tokens of synthetic prompts and answers: one number, a list of them, or a distribution.

In a config they are `1000`, `[128, 1000]` (taken in turn), `{min: 100, max: 200}` (uniform), `{mean: 1000, stddev:
200}` (normal) or, with a name, `{distribution: lognormal, mean: 1000, stddev: 800, max: 8000}`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fmbench_lib.config.spelling import nearest

MOST_TOKENS = 10_000_000
"""Longer than any prompt."""
TRACE = "trace"
"""In place of lengths: those of the requests in `load.trace`."""
_REACH = 4
"""How many standard deviations a distribution without bounds reaches from its mean."""
_MOST_DRAWS = 1000
_KEYS = {
    "constant": ({"value"}, set()),
    "uniform": ({"min", "max"}, set()),
    "normal": ({"mean", "stddev"}, {"min", "max"}),
    "lognormal": ({"mean", "stddev"}, {"min", "max"}),
}
"""The keys that each distribution must and may have."""
_EXAMPLES = "write a number, 1000, a list, [128, 1000], {min: 100, max: 200} or {mean: 1000, stddev: 200}"


@dataclass(frozen=True, slots=True)
class TokenLengths:
    """Lengths from `low` to `high`, both included.

    `values` are taken in turn; without them lengths are drawn: uniform where `distribution` is `uniform`, else with
    this `mean` and standard `deviation`, those of the length itself with `lognormal` too. A draw outside the bounds is
    repeated.
    """

    distribution: str
    low: int
    high: int
    values: tuple[int, ...] = ()
    mean: float = 0.0
    deviation: float = 0.0

    @property
    def average(self) -> float:
        """The mean length, without what bounds cut off from a distribution."""
        if self.values:
            return sum(self.values) / len(self.values)
        return (self.low + self.high) / 2 if self.distribution == "uniform" else self.mean

    def length(self, number: int, generator: random.Random) -> int:
        """The length with this number, from 0."""
        if self.values:
            return self.values[number % len(self.values)]
        if self.distribution == "uniform":
            return generator.randint(self.low, self.high)
        for _ in range(_MOST_DRAWS if self.deviation else 1):
            drawn = round(self._draw(generator))
            if self.low <= drawn <= self.high:
                return drawn
        return min(max(round(self.mean), self.low), self.high)  # bounds far from the mean

    def _draw(self, generator: random.Random) -> float:
        if self.distribution == "normal":
            return generator.gauss(self.mean, self.deviation)
        variance = math.log1p((self.deviation / self.mean) ** 2)
        return generator.lognormvariate(math.log(self.mean) - variance / 2, math.sqrt(variance))


def lengths_in_turn(values: Sequence[int]) -> TokenLengths:
    """Lengths that are taken in turn; there is at least one."""
    return TokenLengths("list", min(values), max(values), tuple(values))


def parse_lengths(value: Any) -> TokenLengths:
    """Read lengths as a config has them. Raises ValueError with what to write instead."""
    if value == TRACE:
        return TokenLengths(TRACE, 1, MOST_TOKENS)
    if isinstance(value, list) and value:
        return lengths_in_turn([_whole(each) for each in value])
    if isinstance(value, dict):
        return _distribution(value)
    return lengths_in_turn([_whole(value)])


def _whole(value: Any, name: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_TOKENS:
        what = f"{name} is {value!r}; write a whole number" if name else f"{_EXAMPLES}, of whole numbers"
        raise ValueError(f"{what} from 1 to {MOST_TOKENS:,}")
    return value


def _number(value: Any, name: str, least: float) -> float:
    valid = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= MOST_TOKENS
    if not valid:
        raise ValueError(f"{name} is {value!r}; write a number from {least:g} to {MOST_TOKENS:,}")
    return float(value)


def _distribution(given: dict[Any, Any]) -> TokenLengths:
    name, keys = _named(given)
    needed, optional = _KEYS[name]
    for key in keys:
        if key not in needed | optional:
            near = nearest(str(key), needed | optional)
            meant = f"did you mean {near}?" if near else f"{name} takes {_list(needed | optional)}"
            raise ValueError(f"has the unknown key {key}; {meant}")
    if missing := needed - keys.keys():
        raise ValueError(f"lacks {_list(missing)}; {_EXAMPLES}")
    if name == "constant":
        return lengths_in_turn([_whole(keys["value"], "value")])
    if name == "uniform":
        low, high, mean, deviation = _whole(keys["min"], "min"), _whole(keys["max"], "max"), 0.0, 0.0
    else:
        mean, deviation = _number(keys["mean"], "mean", 1), _number(keys["stddev"], "stddev", 0)
        low = _whole(keys.get("min", max(1, math.floor(mean - _REACH * deviation))), "min")
        reach = math.ceil(mean + (_REACH if name == "normal" else 2 * _REACH) * deviation)
        high = _whole(keys.get("max", max(low, min(reach, MOST_TOKENS))), "max")
    if low > high:
        raise ValueError(f"has min {low} above max {high}")
    return TokenLengths(name, low, high, mean=mean, deviation=deviation)


def _named(given: dict[Any, Any]) -> tuple[str, dict[Any, Any]]:
    """The distribution's name, and its keys: `{distribution: normal, …}`, `{normal: {…}}`, or told by its keys."""
    if len(given) == 1 and (name := next(iter(given))) in _KEYS:
        inner = given[name]
        return name, inner if isinstance(inner, dict) else {"value": inner}
    keys = {key: value for key, value in given.items() if key != "distribution"}
    name = given.get("distribution", "normal" if "mean" in given or "stddev" in given else "uniform")
    if name not in _KEYS:
        near = nearest(str(name), _KEYS)
        meant = f"did you mean {near}?" if near else f"write {_list(_KEYS)}"
        raise ValueError(f"has the unknown distribution {name!r}; {meant}")
    return name, keys


def _list(words: Any) -> str:
    return ", ".join(sorted(words))
