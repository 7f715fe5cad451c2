"""The figures of a comparison in words, the same in every form."""

from __future__ import annotations

from collections import Counter

from fmbench_lib.metrics.comparison.claims import Claim, LevelComparison, Outcome, RankClaim, RunComparison
from fmbench_lib.metrics.decision.wording import figure, load_label
from fmbench_lib.report.numbers import MISSING, several

_PAST: dict[Outcome, str] = {
    "better": "better",
    "worse": "worse",
    "no difference": "no different",
    "no claim": "not compared",
}


def value_text(claim: Claim, value: float | None) -> str:
    """A value of a claim with its unit."""
    if value is None:
        return MISSING
    if not claim.measure.unit:
        return f"{100 * value:.3g}%"
    return f"{figure(value)} {claim.measure.unit}"


def change_text(claim: Claim) -> str:
    """The change: `+10% (+6.1% to +14%)`, in points for a share, empty where nothing is said."""
    if claim.p is None or claim.base is None or claim.new is None:
        return ""
    if claim.effect is None:
        return f"{100 * (claim.new - claim.base):+.3g} points"
    return f"{share(claim.effect.change)} ({share(claim.effect.low)} to {share(claim.effect.high)})"


def finding_text(claim: Claim) -> str:
    """What can be said of a measure, in a few words."""
    if claim.outcome == "no claim":
        return claim.why_none
    if claim.outcome != "no difference":
        return f"{claim.outcome} (p {probability(claim.p or 0.0)})"
    if claim.effect is None:
        return "no difference that this data can show"
    return f"no difference that this data can show, it could have seen {100 * claim.effect.visible:.2g}%"


def rank_text(claim: RankClaim) -> str:
    """What the rank test says of a family: `the new request takes longer in 62% of pairs …`."""
    if claim.effect is None or claim.p is None:
        return claim.why_none
    one = claim.effect
    ends = f"{100 * one.low:.3g}% to {100 * one.high:.3g}%"
    shares = f"the new request takes longer in {100 * one.longer:.3g}% of pairs ({ends})"
    said = "no difference that this data can show" if claim.outcome == "no difference" else claim.outcome
    return f"{shares}, {said} (p {probability(claim.p)})"


def headline(comparison: RunComparison) -> str:
    """What a comparison found, in a sentence."""
    claims = [claim for level in comparison.levels for claim in level.claims]
    if not claims:
        return f"Nothing to compare: {_both(comparison)} have no payload file and load in common."
    found = Counter(claim.outcome for claim in claims)
    parts = [f"{found[name]} {_PAST[name]}" for name in _PAST if found[name]]
    levels = several(len(comparison.levels), "level")
    return f"{comparison.new} against {comparison.base}, {levels}: of {len(claims)} figures {', '.join(parts)}."


def _both(comparison: RunComparison) -> str:
    same = comparison.base == comparison.new
    return f"the two experiments of {comparison.base}" if same else f"{comparison.base} and {comparison.new}"


def level_title(level: LevelComparison) -> str:
    """The level, and what it is compared with where that has another name."""
    base, new = level.base.row, level.new.row
    name, other = str(base["experiment_name"]), str(new["experiment_name"])
    experiments = name if name == other else f"{name} → {other}"
    return f"{experiments}, {base['payload_file']}, {load_label({**base, 'repeats': 1})}"


def share(value: float) -> str:
    """A relative change: `+4.1%`."""
    return f"{100 * value:+.2g}%" if abs(value) < 1 else f"{100 * value:+.0f}%"


def probability(p: float) -> str:
    """A p-value to two digits: `0.012`, `< 0.0001`."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"
