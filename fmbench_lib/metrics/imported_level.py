"""A level that another tool measured: what its files say of it, as a run keeps it.

Columns hold what was computed from the single requests of the files where they have them, else what the tool printed,
in our units. Nothing is made up: what no file says is missing.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from fmbench_lib.metrics.columns import Column
from fmbench_lib.metrics.groups.identity import IDENTITY, LOAD

UNKNOWN_LOAD = "unknown-load"
"""What stands as the name of a load that no file says."""


class PrintedFigure(TypedDict):
    """A figure of a tool: our column, its value in our unit, its name and value in the file, and which file."""

    column: str
    value: float
    name: str
    printed: float
    file: str


class ImportedFile(TypedDict):
    """A file that a level came from: `path` as it was given, `sha256` of its bytes, `place` in it."""

    path: str
    sha256: str
    place: str


class KnownFinding(TypedDict):
    """What the reader of a file knows to be wrong with the tool's figures, as a finding of the verdict."""

    verdict: str
    reason: str


class ImportedLevel(TypedDict):
    """One level. `evidence`: figures without a column that the verdict looks at, in our units · `requests`: how many
    single requests the files have, 0 where there are only figures · `clock`: whether their moments are known."""

    experiment_name: str
    payload_file: str
    load: str
    concurrency: int | None
    request_rate: float | None
    instance_type: str | None
    instance_count: int | None
    tool: str
    version: str | None
    model: str | None
    files: list[ImportedFile]
    figures: list[PrintedFigure]
    evidence: dict[str, float]
    findings: list[KnownFinding]
    requests: int
    clock: bool
    note: NotRequired[str]


IMPORTED_FIGURES: tuple[Column, ...] = (
    *(column for column in IDENTITY if column.name in ("experiment_name", "payload_file")),
    LOAD,
    Column("tool", "", "text", "the tool that measured the level, and its version"),
    Column("column", "", "text", "the column of `all_metrics_summary.csv`"),
    Column("value", "", "number", "what stands there, in its unit"),
    Column("origin", "", "text", "`requests`: computed from the file's requests; `printed`: the tool's own figure"),
    Column("printed_value", "", "number", "what the tool printed, in the column's unit"),
    Column("difference", "share", "number", "of `value` from `printed_value`"),
    Column("printed_as", "", "text", "its name in the file"),
    Column("printed", "", "number", "its value in the file, in the tool's unit"),
    Column("file", "", "text", "the file"),
)
"""`imported_figures.csv`: a row for each figure that a tool printed, beside what stands in its column."""
