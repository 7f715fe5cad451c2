"""The levels of a finished run, each once, with what they were measured with: what comparing and sizing start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fmbench_lib.errors import InputError
from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel, compared_level
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.metrics.missing import Row, rows_of, text
from fmbench_lib.metrics.repeated_levels import level_of
from fmbench_lib.runs.fleet_record import client_of
from fmbench_lib.runs.opening import open_for_reading
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.reporting.report_inputs import Analysis, analysis_of
from fmbench_lib.steps.run_inputs.levels import run_levels
from fmbench_lib.steps.run_inputs.payloads import has_payloads, payload_index
from fmbench_lib.workspace import LevelKey

_Attempt: TypeAlias = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class ReadRun:
    """A run that was read: its analysis, its levels, each once, and what became of those that have no figures."""

    run: Run
    analysis: Analysis
    levels: list[ComparedLevel]
    lost: Mapping[LevelKey, str]

    @property
    def name(self) -> str:
        """`name/id` of the run."""
        return run_name(self.run.workspace.path)

    @property
    def lost_lines(self) -> list[str]:
        """A line for each level that has no figures."""
        return [f"{' · '.join(key)} {why}" for key, why in self.lost.items()]


def read_run(run_dir: Path) -> ReadRun:
    """Read the levels of a run: the last attempt at each, and all repeats of one together.

    Raises InputError for a run that cannot be read, or none of whose levels has figures.
    """
    run, losses = open_for_reading(run_dir), Losses()
    analysis = analysis_of(run, losses)
    read = ReadRun(run, analysis, levels_of(run, analysis), lost_levels(run, analysis, losses))
    if read.lost and not read.levels:
        raise InputError(f"{read.name}: no level has figures: {read.lost_lines[0]}")
    return read


def lost_levels(run: Run, analysis: Analysis, losses: Losses) -> dict[LevelKey, str]:
    """The levels of a run that have no figures, and what became of them."""
    known = {_attempt(each.level.facts)[:3] for each in analysis.levels}
    failed = {_attempt(note)[:3]: note["error"] for note in run.workspace.failed_levels()}
    return {
        level.key: _lost(failed.get(level.key), losses.why(f"the figures of {' · '.join(level.key)}"))
        for level in run_levels(run)
        if level.key not in known
    }


def _lost(failed: str | None, broken: str | None) -> str:
    if broken is not None:
        return f"cannot be read: {broken}"
    return "was not measured" if failed is None else f"failed: {failed}"


def levels_of(run: Run, analysis: Analysis) -> list[ComparedLevel]:
    """The same of a run that is analysed already. An imported level of which the files have no requests has a row
    alone."""
    rows = rows_of(analysis.summary)
    last = last_attempts(rows)
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row, counts in zip(rows, last, strict=True):
        if counts:
            groups.setdefault(level_of(row), []).append(row)
    records = {_attempt(each.level.facts): each.level for each in analysis.levels}
    once = {level_of(row): row for row in rows_of(analysis.rated)}
    return [
        compared_level(run_name(run.workspace.path), once[level], _records(repeats, records), repeats, _setup(run, row))
        for level, repeats in groups.items()
        for row in (once[level],)
    ]


def run_name(run_dir: Path) -> str:
    """`name/id` of a run directory."""
    return f"{run_dir.parent.name}/{run_dir.name}"


def _records(repeats: list[Row], records: Mapping[_Attempt, StoredLevel]) -> list[LevelData]:
    """The records of all repeats; none where one has none, as what is left would be a choice."""
    found = [records[_attempt(row)] for row in repeats if _attempt(row) in records]
    return [level.of_figures() for level in found] if len(found) == len(repeats) else []


def _attempt(facts: Mapping[str, Any]) -> _Attempt:
    return (
        str(facts["experiment_name"]),
        str(facts["payload_file"]),
        str(facts["load"]),
        int(facts.get("attempt") or 1),
    )


def _setup(run: Run, row: Row) -> Mapping[str, str | None]:
    """What a level was measured with, beside what its own row says."""
    experiment = next((one for one in run.config.experiments if one.name == row["experiment_name"]), None)
    state = run.workspace.read_run()
    host, versions = client_of(run.workspace, str(row["experiment_name"]), state["host"]), state["versions"]
    count, tool = row.get("instance_count"), text(row, "imported_from")
    client = ", ".join(str(host[key]) for key in ("processor", "cores", "system") if key in host)
    facts = {
        "measured by": tool or "fmbench",
        "model": experiment and (experiment.model_name or experiment.model_id),
        "served by": experiment and f"{experiment.platform}, protocol {experiment.protocol}",
        "instances": f"{count} × {row['instance_type']}" if count not in (None, 1) else row["instance_type"],
        "tokenizer": row.get("tokenizer"),
        "prompts": _prompts(run, str(row["payload_file"])),
        "arrivals": row.get("arrival"),
        "client": None if tool else client or None,  # this machine imported, another measured
        "fmbench": None if tool else versions.get("fmbench"),
    }
    return {name: None if value is None else str(value) for name, value in facts.items()}


def _prompts(run: Run, payload_file: str) -> str | None:
    """The first digits of the hash of a payload file."""
    if not has_payloads(run):
        return None
    payloads = payload_index(run).payloads
    return next((payload.sha256[:12] for payload in payloads if payload.payload_file == payload_file), None)
