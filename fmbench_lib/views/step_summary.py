"""The result of a run as Markdown, for the summary page of a CI job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.metrics.missing import Row
from fmbench_lib.report.level_order import in_order
from fmbench_lib.report.markdown import bold, bullets, escape, table, with_code
from fmbench_lib.views.level_cells import COLUMNS, load_text, place_of, reason_of


def step_summary(name: str, summary: Mapping[str, Any]) -> str:
    """The decision, the levels and what needs attention; `summary` is summary.json, its texts cleaned."""
    brief = brief_of(summary["decision"])
    blocks = [f"## fmbench: {escape(name)}", bold(escape(brief.what, longest=1000)), with_code(brief.how_sure, 1000)]
    if brief.runner_up:
        blocks.append(f"Runner-up: {escape(brief.runner_up)}")
    levels = summary["levels"]
    rows = in_order([dict(row) for row, is_last in zip(levels, last_attempts(levels), strict=True) if is_last])
    if rows:
        header = ["experiment", "dataset", "load", *(column.heading for column in COLUMNS[1:]), "main reason"]
        blocks.append(table(header, list(map(_cells, rows)), range(3, len(header) - 2)))
    blocks.append(bullets(escape(line, longest=1000) for line in summary["attention"]))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _cells(row: Row) -> list[str]:
    """A level in cells that are Markdown."""
    figures = (column.cell(row) for column in COLUMNS[1:])
    return [escape(cell) for cell in (*place_of(row), load_text(row), *figures, reason_of(row))]
