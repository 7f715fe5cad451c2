"""A sizing as lines for a terminal, as Markdown, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fmbench_lib.metrics.decision.wording import figure
from fmbench_lib.metrics.sizing.fleets import Fleet
from fmbench_lib.metrics.sizing.size import SizedRate, Sizing
from fmbench_lib.report.markdown import bullets, escape, table
from fmbench_lib.report.numbers import MISSING, amount
from fmbench_lib.report.sizing.fleet_words import (
    answer,
    cell,
    crossover_text,
    fleet_text,
    notes_of,
    question_text,
    with_spare,
)

_HEADER = ("fleet", "USD/h", "USD/month", "USD/1M tokens", "p95", "carries/min")
_MARK = " ◀"


def terminal_lines(sizing: Sizing) -> list[str]:
    """The answer, a table of the fleets for the rate, one of all rates, and what must be known of the copies."""
    lines = [question_text(sizing.question)]
    if sizing.asked is not None:
        lines += ["", *filter(None, (answer(sizing, sizing.asked), with_spare(sizing, sizing.asked)))]
        lines += ["", *_columns([list(_HEADER), *_asked_rows(sizing, sizing.asked)])]
        lines += [f"{one.name}: {one.why_none}" for one in sizing.asked.fleets if one.why_none]
    lines += ["", "copies by rate, ◀ is the one to take"]
    lines += _columns([["rate/min", *(copy.name for copy in sizing.copies)], *_grid_rows(sizing)])
    lines += ["", *map(crossover_text, sizing.crossovers)] if sizing.crossovers else []
    for name, notes in notes_of(sizing):
        lines += ["", name, *(f"  {note}" for note in notes)]
    return lines


def markdown(sizing: Sizing) -> str:
    """The same as Markdown."""
    blocks = [f"## Fleets: {escape(question_text(sizing.question))}"]
    if sizing.asked is not None:
        sentences = (answer(sizing, sizing.asked), with_spare(sizing, sizing.asked))
        blocks += [escape(text, 1000) for text in sentences if text]
        rows = [[escape(text) for text in row] for row in _asked_rows(sizing, sizing.asked)]
        blocks.append(table(_HEADER, rows, numeric=range(1, len(_HEADER))))
        missing = [f"{escape(one.name)}: {escape(one.why_none)}" for one in sizing.asked.fleets if one.why_none]
        blocks += [bullets(missing)] if missing else []
    header = ["rate/min", *(escape(copy.name) for copy in sizing.copies)]
    grid = [[escape(text) for text in row] for row in _grid_rows(sizing)]
    blocks += ["Copies by rate, ◀ is the one to take:", table(header, grid, numeric=range(len(header)))]
    blocks += [bullets(escape(crossover_text(one)) for one in sizing.crossovers)] if sizing.crossovers else []
    for name, notes in notes_of(sizing):
        blocks.append(f"**{escape(name)}**\n\n" + bullets(escape(note, 1000) for note in notes))
    return "\n\n".join(blocks) + "\n"


def document(sizing: Sizing) -> dict[str, Any]:
    """The sizing for programs, in JSON's types."""
    return {
        "question": asdict(sizing.question),
        "answer": None if sizing.asked is None else answer(sizing, sizing.asked),
        "asked": None if sizing.asked is None else _rate_document(sizing.asked),
        "grid": [_rate_document(one) for one in sizing.grid],
        "crossovers": [asdict(one) for one in sizing.crossovers],
        "experiments": [
            {
                "name": copy.name,
                "run": copy.run,
                "payload_file": copy.payload_file,
                "instance_type": copy.instance_type,
                "machines_per_copy": copy.machines,
                "usd_per_hour_of_a_copy": copy.hourly,
                "usd_per_request": copy.per_request,
                "scalability": None if copy.curve is None or copy.curve.law is None else asdict(copy.curve.law),
                "notes": list(notes),
            }
            for copy, (_, notes) in zip(sizing.copies, notes_of(sizing), strict=True)
        ],
    }


def grid_csv(sizing: Sizing) -> str:
    """A row for each rate and experiment; what is not known is empty."""
    asked = [] if sizing.asked is None else [sizing.asked]
    rows = [row for one in sorted([*sizing.grid, *asked], key=lambda one: one.rate) for row in _rows_of_rate(one)]
    target = io.StringIO()
    writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if value is None else value for name, value in row.items()} for row in rows)
    return target.getvalue()


def _rate_document(sized: SizedRate) -> dict[str, Any]:
    rows = _rows_of_rate(sized)
    return {
        "rate_per_minute": sized.rate,
        "chosen": None if sized.chosen is None else sized.fleets[sized.chosen].name,
        "fleets": [{name: value for name, value in row.items() if name != "rate_per_minute"} for row in rows],
    }


def _rows_of_rate(sized: SizedRate) -> list[dict[str, Any]]:
    return [
        {
            "rate_per_minute": sized.rate,
            "experiment": fleet.name,
            "copies": fleet.copies,
            "copies_possible": fleet.possible,
            "machines": fleet.machines,
            "carries_per_minute": fleet.carries,
            **{f"{family}_p95_expected": value for family, value in fleet.p95.items()},
            "usd_per_hour": fleet.hourly,
            "usd_per_month": fleet.monthly,
            "usd_per_1m_tokens": fleet.per_million,
            "enough": fleet.enough,
            "chosen": place == sized.chosen,
            "why_none": fleet.why_none or ("more than was measured" if fleet.beyond else None),
        }
        for place, fleet in enumerate(sized.fleets)
    ]


def _asked_rows(sizing: Sizing, sized: SizedRate) -> list[list[str]]:
    rows = []
    for place, (fleet, copy) in enumerate(zip(sized.fleets, sizing.copies, strict=True)):
        if fleet.copies is None:
            continue
        mark = _MARK if place == sized.chosen else " (more than was measured)" if fleet.beyond else ""
        rows.append(
            [
                fleet_text(fleet, copy) + mark,
                amount(fleet.hourly),
                amount(fleet.monthly),
                amount(fleet.per_million),
                _p95(fleet),
                MISSING if fleet.carries is None else figure(fleet.carries),
            ]
        )
    return rows


def _p95(fleet: Fleet) -> str:
    known = [f"{family} {figure(value)} s" for family, value in fleet.p95.items() if value is not None]
    return ", ".join(known) or MISSING


def _grid_rows(sizing: Sizing) -> list[list[str]]:
    return [
        [figure(one.rate), *(cell(each) + _MARK * (place == one.chosen) for place, each in enumerate(one.fleets))]
        for one in sizing.grid
    ]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells below each other, the first column to the left, the others to the right."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        lines.append("  " + "  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return lines
