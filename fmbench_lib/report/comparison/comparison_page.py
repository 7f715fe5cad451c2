"""A comparison as one HTML page that loads nothing: what changed, and for each level its figures, the distributions of
both sides and by how much each quantile differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from fmbench_lib.metrics.comparison.claims import LevelComparison, Outcome, RunComparison
from fmbench_lib.metrics.comparison.compared_level import ONE_A_REQUEST, ComparedLevel
from fmbench_lib.metrics.comparison.shift_function import shift_function
from fmbench_lib.metrics.drawn_requests import thinned
from fmbench_lib.report.comparison.documents import Broken
from fmbench_lib.report.comparison.words import (
    change_text,
    finding_text,
    headline,
    level_title,
    rank_text,
    value_text,
)
from fmbench_lib.report.html.level_values import TEXT, clean, short
from fmbench_lib.report.html.page_shapes import Distribution
from fmbench_lib.report.html.page_shell import self_contained
from fmbench_lib.report.html.request_samples import shown_distribution

_SCRIPTS = ("format.js", "scales.js", "plot.js", "table.js", "comparison.js")
_TONES: dict[Outcome, str] = {"better": "good", "worse": "bad", "no difference": "", "no claim": ""}


def comparison_page(comparison: RunComparison, broken: Sequence[Broken] = ()) -> str:
    """The page."""
    sections = "".join(_section(level, place) for place, level in enumerate(comparison.levels))
    return self_contained(
        title=clean(f"{comparison.new} against {comparison.base}", TEXT),
        about="fmbench compare",
        decision=_card(comparison, broken),
        static="<p>This viewer runs no scripts: the tables have all figures; the charts need a browser.</p>",
        bar="",
        mounts=sections + _unmatched(comparison),
        content={"levels": [_charts(level) for level in comparison.levels]},
        scripts=_SCRIPTS,
    )


def _card(comparison: RunComparison, broken: Sequence[Broken]) -> str:
    """What was found: the headline, what failed, and what changed."""
    changed = [
        f"{level_title(level)}: {claim.measure.label} {change_text(claim)}, {claim.outcome}"
        for level in comparison.levels
        for claim in level.claims
        if claim.outcome in ("better", "worse")
    ]
    worse = broken or any(claim.outcome == "worse" for level in comparison.levels for claim in level.claims)
    failed = "".join(f"<li><b>failed</b> {_text(one.text)}</li>" for one in broken)
    found = "".join(f"<li>{_text(text)}</li>" for text in changed)
    listed = f"<ul>{failed}{found}</ul>" if failed or found else ""
    return (
        f'<div class="verdict-card {"bad" if worse else "good"}"><p class="what">{_text(headline(comparison))}</p>'
        f"{listed}</div>"
    )


def _section(level: LevelComparison, place: int) -> str:
    notes = "".join(f"<li>{_text(note)}</li>" for note in level.notes)
    said = "".join(
        f"<p>All of {_text(claim.family)}: {_text(rank_text(claim))}.</p>"
        for claim in level.ranks
        if claim.effect is not None
    )
    return (
        f'<section id="level-{place}"><h2>{_text(level_title(level))}</h2>'
        f"{f'<ul>{notes}</ul>' if notes else ''}{_table(level)}{said}"
        f'<div class="charts columns-2" id="charts-{place}"></div></section>'
    )


def _table(level: LevelComparison) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("figure", "base", "new", "change", "finding"))
    rows = "".join(
        f'<tr class="{_TONES[claim.outcome]}"><th scope="row">{_text(claim.measure.label)}</th>'
        f"<td>{_text(value_text(claim, claim.base))}</td><td>{_text(value_text(claim, claim.new))}</td>"
        f"<td>{_text(change_text(claim))}</td><td>{_text(finding_text(claim))}</td></tr>"
        for claim in level.claims
    )
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _unmatched(comparison: RunComparison) -> str:
    lines = "".join(
        f"<li>only in {_text(run)}: {_text(name)}</li>"
        for run, names in ((comparison.base, comparison.only_base), (comparison.new, comparison.only_new))
        for name in names
    ) + "".join(f"<li>{_text(line)}</li>" for line in comparison.lost)
    return f"<section><h2>Not compared</h2><ul>{lines}</ul></section>" if lines else ""


def _charts(level: LevelComparison) -> dict[str, Any]:
    """The distributions and the shifts of a level, of every family of which both sides have requests."""
    return {"families": list(_families(level))}


def _families(level: LevelComparison) -> Iterator[dict[str, Any]]:
    for family in ONE_A_REQUEST:
        shifts = shift_function(level, family)
        if not shifts:
            continue
        sides = (("base", level.base), ("new", level.new))
        yield {
            "family": family,
            "sides": [{"name": f"{name}: {clean(side.run)}", **_distribution(side, family)} for name, side in sides],
            "shifts": [
                {
                    "q": one.q,
                    "base": short(one.base),
                    "new": short(one.new),
                    **{end: short(getattr(one, end)) for end in ("change", "low", "high")},
                }
                for one in shifts
            ],
        }


def _distribution(side: ComparedLevel, family: str) -> Distribution:
    return shown_distribution(thinned(np.concatenate(side.series[family])))


def _text(text: str) -> str:
    return escape(clean(text, TEXT))
