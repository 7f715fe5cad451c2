"""Conditions that fail a build: `latency_p95>+5%` of a difference, `TTFT_p95>0.5` of a figure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from fmbench_lib.errors import InputError
from fmbench_lib.metrics.comparison.claims import Claim, LevelComparison, RunComparison
from fmbench_lib.metrics.comparison.matching import level_name
from fmbench_lib.metrics.comparison.measures import known_measure

_FORM = re.compile(r"\s*(?P<name>\w+)\s*(?P<sign>[<>])\s*(?P<value>[+-]?\d+(?:\.\d+)?(?:e-?\d+)?)\s*(?P<share>%?)\s*")
_WRITE = "write latency_p95>+5% (worse by more than 5%, significantly) or TTFT_p95>0.5 (seconds)"


@dataclass(frozen=True, slots=True)
class Condition:
    """What fails: a measure beyond a value, or with `relative` a change beyond a share of the base's."""

    text: str
    name: str
    above: bool
    value: float
    relative: bool

    def broken_by(self, comparison: LevelComparison) -> Claim | None:
        """The claim that meets the condition. A change must be significant, and its estimate beyond the limit."""
        claim = comparison.claim(self.name)
        if claim is None or claim.new is None:
            return None
        if not self.relative:
            return claim if self._beyond(claim.new) else None
        if claim.outcome not in ("better", "worse") or claim.base is None:
            return None
        return claim if self._beyond(_change(claim)) else None

    def _beyond(self, value: float) -> bool:
        return value > self.value if self.above else value < self.value


def _change(claim: Claim) -> float:
    """The relative change; of a share that was 0 any rise is infinite."""
    if claim.effect is not None:
        return claim.effect.change
    return math.inf if not claim.base else (claim.new or 0.0) / claim.base - 1


def conditions(texts: Sequence[str]) -> list[Condition]:
    """The conditions of `--fail-on`. Raises InputError for a form that is none, and for an unknown measure."""
    return [_condition(part) for text in texts for part in text.split(",") if part.strip()]


def not_judged(comparison: RunComparison, rules: Sequence[Condition]) -> list[str]:
    """What keeps conditions from being judged by the new run: a build must not pass because its run is broken.

    A level that is invalid in both runs, and one of too few requests for a claim, say nothing against the new one.
    """
    if not rules:
        return []
    if not comparison.levels:
        return ["no level of these runs could be compared"]
    lines = list(comparison.unjudged)
    for level in comparison.levels:
        name, verdicts = level_name(level.new.row), [one.row.get("verdict") for one in (level.base, level.new)]
        if verdicts[1] == "invalid" != verdicts[0]:
            lines.append(f"{name} is invalid in {comparison.new}")
            continue
        claims = [claim for rule in rules if (claim := level.claim(rule.name)) is not None]
        unknown = dict.fromkeys(one.measure.label for one in claims if one.base is not None and one.new is None)
        lines += [f"{name} has no {label} in {comparison.new}" for label in unknown]
    return lines


def _condition(text: str) -> Condition:
    match = _FORM.fullmatch(text)
    if match is None:
        raise InputError(f"--fail-on {text.strip()}: not a condition; {_WRITE}")
    name, value = match["name"], float(match["value"])
    known_measure(name, f"--fail-on {text.strip()}")
    relative = bool(match["share"])
    if not relative and match["value"][0] in "+-":
        raise InputError(f"--fail-on {text.strip()}: a change is a share of the base's value: write %; {_WRITE}")
    return Condition(text.strip(), name, match["sign"] == ">", value / 100 if relative else value, relative)
