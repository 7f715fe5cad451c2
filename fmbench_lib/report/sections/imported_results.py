"""Which tool measured the levels, from which files their figures come, and where ours differ from those it printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from fmbench_lib.metrics.imported_level import ImportedLevel
from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.report.level_order import dataset_name
from fmbench_lib.report.markdown import Blocks, code, frame, sentence_list, text_frame
from fmbench_lib.report.numbers import MISSING, percent, several, significant
from fmbench_lib.report.report_data import ReportInputs

MOST_ROWS = 40
"""Longer tables are cut: all rows are in `imported_figures.csv`."""
_DIFFERENT = 0.01
_HASH_LETTERS = 12


def section(inputs: ReportInputs) -> Blocks:
    """The origin of imported levels; nothing in a run that fmbench measured."""
    if not inputs.imported:
        return []
    return ["## Imported results", _origin(inputs.imported), frame(_files(inputs.imported)), *_differences(inputs)]


def _origin(levels: Sequence[ImportedLevel]) -> str:
    tools = sentence_list([code(name) for name in dict.fromkeys(level["tool"] for level in levels)])
    with_requests = sum(bool(level["requests"]) for level in levels)
    measured = f"fmbench did not measure these levels: {tools} did."
    if with_requests == len(levels):
        computed = "Their figures are computed from the single requests in the files"
    elif with_requests:
        computed = f"Those of {several(with_requests, 'level')} are computed from the single requests in the files"
    else:
        computed = "The files have no single requests, so that no figure has a confidence interval"
    printed = "what cannot be computed is as the tool printed it, and what it does not say is missing"
    return f"{measured} {computed}; {printed}. `metrics/imported_figures.csv` has each printed figure beside ours."


def _files(levels: Sequence[ImportedLevel]) -> Any:
    """A row for each file: its tool, its levels and requests, and the beginning of its hash."""
    found: dict[str, dict[str, Any]] = {}
    for level in levels:
        for file in level["files"]:
            entry = found.setdefault(file["sha256"], {"level": level, "path": file["path"], "levels": 0, "requests": 0})
            entry["levels"] += 1
            entry["requests"] += level["requests"]
    return text_frame(
        {
            "file": PurePath(entry["path"]).name,
            "tool": " ".join(filter(None, (entry["level"]["tool"], entry["level"]["version"]))),
            "experiment": entry["level"]["experiment_name"]
            if entry["levels"] == 1
            else several(entry["levels"], "level"),
            "requests": f"{entry['requests']:,}" if entry["requests"] else MISSING,
            "sha256": sha256[:_HASH_LETTERS],
        }
        for sha256, entry in found.items()
    )


def _differences(inputs: ReportInputs) -> Blocks:
    """The figures that differ from the printed ones by more than 1%."""
    rows = [row for row in rows_of(inputs.imported_figures) if abs(number(row, "difference") or 0.0) > _DIFFERENT]
    if not rows:
        return ["No figure differs by more than 1% from the one that the tool printed."]
    cut = f", the first {MOST_ROWS} of them" if len(rows) > MOST_ROWS else ""
    what = f"{several(len(rows), 'figure')} differ by more than 1% from what the tool printed{cut}:"
    return [what, frame(text_frame(_compared(rows[:MOST_ROWS])), to_the_right=["ours", "printed", "difference"])]


def _compared(rows: Iterable[Row]) -> Iterable[dict[str, str]]:
    for row in rows:
        yield {
            "experiment": str(row["experiment_name"]),
            "dataset": dataset_name(str(row["payload_file"])),
            "load": str(row["load"]),
            "figure": str(row["column"]),
            "ours": significant(number(row, "value"), 4),
            "printed": significant(number(row, "printed_value"), 4),
            "difference": percent(number(row, "difference")),
            "printed as": str(row["printed_as"]),
        }
