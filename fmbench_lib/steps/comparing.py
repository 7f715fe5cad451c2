"""Runs beside each other: their levels, read from the records, matched and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fmbench_lib.data.payload_index import read_payload_index
from fmbench_lib.metrics.comparison.claims import RunComparison, compare_levels
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel, compared_level
from fmbench_lib.metrics.comparison.matching import matched
from fmbench_lib.metrics.comparison.measures import CLAIMED
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.metrics.missing import Row, rows_of
from fmbench_lib.metrics.repeated_levels import level_of, once_each
from fmbench_lib.runs.opening import open_for_reading
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.reporting.report_inputs import analysis_of


def compare_runs(
    base: Path, new: Path, match: Sequence[tuple[str, str]] = (), measures: Sequence[str] = CLAIMED
) -> RunComparison:
    """Compare the levels of two runs, or of one run with itself where `match` names pairs of its experiments.

    Raises InputError for a run that cannot be read and for names that no level has.
    """
    old = levels_of_run(base)
    other = old if base == new else levels_of_run(new)
    found = matched(old, other, match)
    return RunComparison(
        base=_name(base),
        new=_name(new),
        levels=tuple(compare_levels(found.pairs, measures, paired=base == new)),
        only_base=() if base == new else found.only_base,
        only_new=() if base == new else found.only_new,
    )


def levels_of_run(run_dir: Path) -> list[ComparedLevel]:
    """The levels of a run, each once: the last attempt at each, and all repeats of one together."""
    run = open_for_reading(run_dir)
    analysis = analysis_of(run)
    rows = rows_of(analysis.summary)
    last = last_attempts(rows)
    groups: dict[tuple[str, str, str], list[int]] = {}
    for index, row in enumerate(rows):
        if last[index]:
            groups.setdefault(level_of(row), []).append(index)
    counting = analysis.summary[last]
    once = {level_of(row): row for row in rows_of(once_each(counting, analysis.repeated))}
    return [
        compared_level(
            _name(run_dir),
            once[level],
            [analysis.levels[index] for index in indices],
            [rows[index] for index in indices],
            _setup(run, once[level]),
        )
        for level, indices in groups.items()
    ]


def _setup(run: Run, row: Row) -> Mapping[str, str | None]:
    """What a level was measured with, beside what its own row says."""
    experiment = next((one for one in run.config.experiments if one.name == row["experiment_name"]), None)
    state = run.workspace.read_run()
    host, versions = state["host"], state["versions"]
    count = row.get("instance_count")
    facts = {
        "model": experiment and (experiment.model_name or experiment.model_id),
        "served by": experiment and f"{experiment.platform}, protocol {experiment.protocol}",
        "instances": f"{count} × {row['instance_type']}" if count not in (None, 1) else row["instance_type"],
        "tokenizer": row.get("tokenizer"),
        "prompts": _prompts(run, str(row["payload_file"])),
        "arrivals": row.get("arrival"),
        "client": ", ".join(str(host[key]) for key in ("processor", "cores", "system") if key in host) or None,
        "fmbench": versions.get("fmbench"),
    }
    return {name: None if value is None else str(value) for name, value in facts.items()}


def _prompts(run: Run, payload_file: str) -> str | None:
    """The first digits of the hash of a payload file."""
    if not run.workspace.payload_index.exists():
        return None
    payloads = read_payload_index(run.workspace.payload_index).payloads
    return next((payload.sha256[:12] for payload in payloads if payload.payload_file == payload_file), None)


def _name(run_dir: Path) -> str:
    return f"{run_dir.parent.name}/{run_dir.name}"
