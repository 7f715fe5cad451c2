"""The shape of a comparison of two runs for programs, in JSON's types; null is what is not known."""

from __future__ import annotations

from typing import TypedDict

from fmbench_lib.metrics.comparison.claims import Outcome


class EffectDocument(TypedDict):
    """A relative difference: 0.1 where the second figure is 10% larger, with its 95% interval; see `Effect`."""

    change: float
    low: float
    high: float
    p: float
    visible: float


class ClaimDocument(TypedDict):
    """What is said of a measure. `p` is corrected for all claims, `why_none` says why there is no claim."""

    measure: str
    base: float | None
    new: float | None
    outcome: Outcome
    p: float | None
    effect: EffectDocument | None
    why_none: str | None


class RankEffectDocument(TypedDict):
    """How often a request of the new level takes longer than one of the base; see `RankEffect`."""

    longer: float
    low: float
    high: float
    p: float
    enough: float


class RankDocument(TypedDict):
    """What is said of the whole distribution of a family of times."""

    family: str
    effect: RankEffectDocument | None
    p: float | None
    why_none: str
    outcome: Outcome


class ComparedDocument(TypedDict):
    """Two levels beside each other, each by the columns that name it."""

    base: dict[str, str | None]
    new: dict[str, str | None]
    notes: list[str]
    claims: list[ClaimDocument]
    ranks: list[RankDocument]


class ComparisonDocument(TypedDict):
    """The comparison. `only_base`, `only_new`: levels without a partner · `lost`: levels without figures,
    and why · `missed_budget`: why no new level meets every budget, null where one does or there is none ·
    `failed`: what fails the build."""

    base: str
    new: str
    headline: str
    levels: list[ComparedDocument]
    only_base: list[str]
    only_new: list[str]
    lost: list[str]
    missed_budget: str | None
    failed: list[str]
