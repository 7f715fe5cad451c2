"""A comparison as lines for a terminal, as Markdown for a pull request, as JSON and as JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from fmbench_lib.host.printable import printable
from fmbench_lib.metrics.comparison.claims import Claim, LevelComparison, RankClaim, RunComparison
from fmbench_lib.metrics.missing import Row
from fmbench_lib.metrics.statistics.effects import Effect
from fmbench_lib.report.comparison.comparison_document import (
    ClaimDocument,
    ComparisonDocument,
    EffectDocument,
    RankDocument,
)
from fmbench_lib.report.comparison.words import (
    change_text,
    finding_text,
    headline,
    level_title,
    rank_text,
    value_text,
)
from fmbench_lib.report.markdown import bullets, escape, table

_MARKS = {"better": "🟢", "worse": "🔴", "no difference": "⚪", "no claim": ""}


@dataclass(frozen=True, slots=True)
class Broken:
    """A condition that is broken: its text, by which level, and the claim; of a budget, which no level meets, no claim
    but what `level` says."""

    condition: str
    level: str
    claim: Claim | None

    @property
    def text(self) -> str:
        """The condition and the figures that break it."""
        if self.claim is None:
            return f"{self.condition}: {self.level}"
        change = change_text(self.claim)
        figures = f"{value_text(self.claim, self.claim.base)} → {value_text(self.claim, self.claim.new)}"
        return f"{self.condition}: {self.level}: {figures}{f', {change}' if change else ''}"


def terminal_lines(comparison: RunComparison, broken: Sequence[Broken] = ()) -> list[str]:
    """The comparison in lines of at most about 100 characters."""
    lines = [headline(comparison)]
    for level in comparison.levels:
        lines += ["", level_title(level), *(f"  {note}" for note in level.notes)]
        width = max((len(claim.measure.label) for claim in level.claims), default=0)
        lines += [f"  {claim.measure.label:{width}}  {_figures(claim)}" for claim in level.claims]
        lines += [f"  all of {claim.family}: {rank_text(claim)}" for claim in level.ranks if claim.effect is not None]
    lines += [f"only in {comparison.base}: {name}" for name in comparison.only_base]
    lines += [f"only in {comparison.new}: {name}" for name in comparison.only_new]
    lines += comparison.lost
    return [*lines, *(["", *(f"failed: {one.text}" for one in broken)] if broken else [])]


def markdown(comparison: RunComparison, broken: Sequence[Broken] = ()) -> str:
    """The comparison as Markdown: what failed and what changed first, then every level."""
    blocks = [f"## {escape(headline(comparison))}"]
    if broken:
        blocks.append("**Failed**\n\n" + bullets(escape(one.text) for one in broken))
    changed = [
        f"{_MARKS[claim.outcome]} {escape(f'{level_title(level)}: {claim.measure.label} {_figures(claim)}')}"
        for level in comparison.levels
        for claim in level.claims
        if claim.outcome in ("better", "worse")
    ]
    blocks += [bullets(changed)] if changed else []
    blocks += [_level_section(level) for level in comparison.levels]
    for run, names in ((comparison.base, comparison.only_base), (comparison.new, comparison.only_new)):
        if names:
            blocks.append(f"Only in {escape(run)}: {escape(', '.join(names))}")
    blocks += [bullets(escape(line) for line in comparison.lost)] if comparison.lost else []
    blocks.append(
        "Changes are relative, with 95% intervals; better or worse where Holm's corrected p-value over all figures is "
        "below 0.05."
    )
    return "\n\n".join(blocks) + "\n"


def document(comparison: RunComparison, broken: Sequence[Broken] = ()) -> ComparisonDocument:
    """The comparison for programs, in JSON's types."""
    return {
        "base": comparison.base,
        "new": comparison.new,
        "headline": headline(comparison),
        "levels": [
            {
                "base": _identity(level.base.row),
                "new": _identity(level.new.row),
                "notes": list(level.notes),
                "claims": [_claim(claim) for claim in level.claims],
                "ranks": [_rank(claim) for claim in level.ranks],
            }
            for level in comparison.levels
        ],
        "only_base": list(comparison.only_base),
        "only_new": list(comparison.only_new),
        "lost": list(comparison.lost),
        "missed_budget": comparison.missed_budget or None,
        "failed": [one.text for one in broken],
    }


def junit(comparison: RunComparison, broken: Sequence[Broken] = ()) -> str:
    """The comparison as JUnit's XML: a test case for each figure, failed where it breaks a condition."""
    suite = ET.Element("testsuite", name=_xml(f"fmbench compare {comparison.base} {comparison.new}"))
    failed = {(one.level, one.claim.measure.name): one for one in broken if one.claim is not None}
    tests = 0
    for budget in (one for one in broken if one.claim is None):
        case = ET.SubElement(suite, "testcase", classname=_xml(comparison.new), name=_xml(budget.condition))
        ET.SubElement(case, "failure", message=_xml(budget.text))
        tests += 1
    for level in comparison.levels:
        for claim in level.claims:
            case = ET.SubElement(suite, "testcase", classname=_xml(level_title(level)), name=claim.measure.name)
            tests += 1
            one = failed.get((level_title(level), claim.measure.name))
            if one is not None:
                ET.SubElement(case, "failure", message=_xml(one.text))
            elif claim.outcome == "no claim":
                ET.SubElement(case, "skipped", message=_xml(claim.why_none))
    suite.set("tests", str(tests))
    suite.set("failures", str(len(failed) + sum(one.claim is None for one in broken)))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _figures(claim: Claim) -> str:
    values = f"{value_text(claim, claim.base)} → {value_text(claim, claim.new)}"
    return ", ".join(filter(None, (values, change_text(claim), finding_text(claim))))


def _level_section(level: LevelComparison) -> str:
    rows = [
        [
            escape(claim.measure.label),
            escape(value_text(claim, claim.base)),
            escape(value_text(claim, claim.new)),
            escape(change_text(claim)),
            f"{_MARKS[claim.outcome]} {escape(finding_text(claim))}".strip(),
        ]
        for claim in level.claims
    ]
    notes = bullets(escape(note) for note in level.notes)
    figures = table(["figure", "base", "new", "change", ""], rows, numeric=(1, 2))
    ranks = bullets(
        escape(f"all of {claim.family}: {rank_text(claim)}") for claim in level.ranks if claim.effect is not None
    )
    return "\n\n".join(filter(None, (f"### {escape(level_title(level))}", notes, figures, ranks)))


def _identity(row: Row) -> dict[str, str | None]:
    names = ("experiment_name", "payload_file", "load", "instance_type")
    return {name: row.get(name) for name in names}


def _claim(claim: Claim) -> ClaimDocument:
    return {
        "measure": claim.measure.name,
        "base": claim.base,
        "new": claim.new,
        "outcome": claim.outcome,
        "p": claim.p,
        "effect": None if claim.effect is None else _effect(claim.effect),
        "why_none": claim.why_none or None,
    }


def _rank(claim: RankClaim) -> RankDocument:
    effect = claim.effect
    return {
        "family": claim.family,
        "effect": None
        if effect is None
        else {
            "longer": effect.longer,
            "low": effect.low,
            "high": effect.high,
            "p": effect.p,
            "enough": effect.enough,
        },
        "p": claim.p,
        "why_none": claim.why_none,
        "outcome": claim.outcome,
    }


def _effect(effect: Effect) -> EffectDocument:
    return {
        "change": effect.change,
        "low": effect.low,
        "high": effect.high,
        "p": effect.p,
        "visible": effect.visible,
    }


def _xml(text: str) -> str:
    return printable(text)
