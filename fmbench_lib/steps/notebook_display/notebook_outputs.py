"""What the notebooks show: frames as tables, the levels, the decision as a card, parts of the report."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pandas as pd

from fmbench_lib.errors import RunStateError
from fmbench_lib.host.atomic_files import each_text, read_json
from fmbench_lib.host.printable import printable
from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.report.level_order import in_order
from fmbench_lib.report.summary import SummaryFile
from fmbench_lib.runs.run import Run
from fmbench_lib.views.frame_table import FrameTable
from fmbench_lib.views.level_cells import plain_line
from fmbench_lib.views.notebook_html import decision_html, html_of, levels_html
from fmbench_lib.workspace import APPENDIX_FILE

if TYPE_CHECKING:
    from IPython.display import Markdown

_HEADING = re.compile(r"^(#{2,4}) (.+)$")
_PICTURE = re.compile(r"^!\[[^\]]*\]\([^)]*\)$|\[here\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Shown:
    """An output of a notebook: HTML, and a text for what shows none."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def table(frame: pd.DataFrame) -> FrameTable:
    """A frame as a table for people: units, few digits, verdicts in colour. The frame itself has the figures."""
    return FrameTable(frame)


def level_results(run: Run) -> Shown:
    """The levels of an analysed run with their main figures. Raises RunStateError before the analysis."""
    levels = _summary(run)["levels"]
    counted = [dict(row) for row, is_last in zip(levels, last_attempts(levels), strict=True) if is_last]
    rows = in_order(counted)
    return Shown(html_of(levels_html(rows)), "\n".join(map(plain_line, rows)) or "no levels")


def decision_card(run: Run) -> Shown:
    """The decision of an analysed run in two sentences, the runner-up, and links to the report and its page.

    Raises RunStateError before the analysis.
    """
    decision = _summary(run)["decision"]
    brief = brief_of(decision)
    files = {
        "report": run.workspace.report_file,
        "page": run.workspace.page_file,
        "summary": run.workspace.summary_file,
    }
    links = {name: _link(path) for name, path in files.items() if path.exists()}
    html = decision_html(brief.sentences, brief.runner_up, links, brief.tone)
    lines = [*brief.sentences, *([f"Runner-up: {brief.runner_up}"] if brief.runner_up else [])]
    return Shown(html, "\n".join([*lines, *(f"{name}: {path}" for name, path in files.items() if path.exists())]))


def report_parts(run: Run, *headings: str) -> Markdown:
    """The sections of the report that have these headings, without pictures; those that it lacks are left out."""
    from IPython.display import Markdown

    if not run.workspace.report_file.exists():
        raise RunStateError(f"{run.workspace.path} is not analysed yet: run the notebook 4_model_metric_analysis first")
    report = run.workspace.report_file.read_text(encoding="utf-8")
    parts = ["\n".join(_section(report, heading)) for heading in headings]
    linked = "\n\n".join(filter(None, parts)).replace(f"]({APPENDIX_FILE})", f"]({_link(run.workspace.appendix_file)})")
    return Markdown(linked)  # type: ignore[no-untyped-call]


def _section(report: str, heading: str) -> Iterator[str]:
    """The lines of a section, with those of the sections below it."""
    depth, fenced = 0, False
    for line in report.splitlines():
        fenced ^= line.startswith("```")
        found = None if fenced else _HEADING.match(line)
        if found and depth and len(found[1]) <= depth:
            return
        if found and not depth and found[2] == heading:
            depth = len(found[1])
        if depth and not _PICTURE.search(line):
            yield line


def _summary(run: Run) -> SummaryFile:
    if not run.workspace.summary_file.exists():
        raise RunStateError(f"{run.workspace.path} is not analysed yet: run the notebook 4_model_metric_analysis first")

    def cleaned(text: str) -> str:
        return printable(run.redactor.in_content(text))

    summary: SummaryFile = each_text(read_json(run.workspace.summary_file), cleaned)
    return summary


def _link(path: Path) -> str:
    """The address of a file as seen from the notebook: frontends open relative ones only."""
    return quote(os.path.relpath(path, Path.cwd()))
