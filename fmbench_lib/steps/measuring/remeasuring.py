"""Levels of a run that are to be measured again: chosen by verdict or by name, and set aside."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence

from fmbench_lib.config.spelling import edit_distance
from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.load.recording.sent_level import is_sent
from fmbench_lib.metrics import tables
from fmbench_lib.metrics.measuring_again import level_name
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.measuring.next_attempt import set_aside
from fmbench_lib.steps.run_inputs.inputs import objectives_of
from fmbench_lib.steps.run_inputs.levels import run_levels
from fmbench_lib.workspace import LevelKey

VERDICTS = ("invalid", "degraded")
_NEAR = 3


def remeasure(run: Run, wanted: Sequence[str]) -> list[LevelKey]:
    """Set aside the levels that these words choose, so that they are measured again when the run goes on.

    A word is `invalid` or `degraded`, for the levels of that verdict, or names levels: `experiment/payload/load`, or a
    load for all levels of that name; several may stand in one, separated by commas. Returns the levels that had
    records. Raises InputError for a name that no level has, and where the config switches measuring off; then nothing
    is changed.
    """
    if not run.config.run_steps.get("3_run_inference", True):
        raise InputError("--remeasure: the config switches 3_run_inference off, so no level can be measured again")
    levels = run_levels(run)
    chosen: dict[LevelKey, None] = {}
    for word in wanted:
        chosen |= dict.fromkeys(_chosen(run, levels, word))
    with run.workspace.locked("pipeline", patience=0):
        for key in chosen:
            if is_sent(scratch := run.workspace.level_scratch(key)):
                shutil.rmtree(scratch)  # it is to be sent again, not decoded
        done = [key for key in chosen if set_aside(run.workspace, key) is not None]
        run.workspace.keep(insist=True)
    return done


def _chosen(run: Run, levels: Sequence[LevelSpec], word: str) -> list[LevelKey]:
    """The levels that one word chooses; a name that holds a comma is taken whole where there is such a level."""
    names = {level.key: _names_of(level.key) for level in levels}
    found = [key for key, known in names.items() if word.strip() in known]
    if found:
        return found
    parts = [part.strip() for part in word.split(",") if part.strip()]
    if not parts:
        raise InputError("--remeasure: write invalid, degraded or the name of a level")
    verdicts = _verdicts(run, levels) if set(VERDICTS) & set(parts) else {}
    keys: list[LevelKey] = []
    for part in parts:
        some = [key for key, known in names.items() if part in known]
        if part in VERDICTS:
            some = [key for key, verdict in verdicts.items() if verdict == part]
        elif not some:
            raise InputError(_unknown(part, levels))
        keys += some
    return keys


def _names_of(key: LevelKey) -> set[str]:
    """Everything that a level may be called."""
    whole = f"{key.experiment_name}/{key.payload_file}/{key.load}"
    return {key.load, whole, level_name(key._asdict()), " · ".join(key)}


def _verdicts(run: Run, levels: Sequence[LevelSpec]) -> Mapping[LevelKey, str]:
    """The verdicts of the levels that have records, as the tables give them."""
    known = [level.key for level in levels if run.workspace.level(level.key).exists()]
    measured = [read_level(run.workspace.level(key)) for key in known]
    summary = tables.summary_frame(measured, objectives=objectives_of(run.config))
    return dict(zip(known, map(str, summary["verdict"]), strict=True))


def _unknown(part: str, levels: Sequence[LevelSpec]) -> str:
    """The names nearest to one that no level has: whole ones where it has a slash, else those of loads."""
    whole = [level_name(level.key._asdict()) for level in levels]
    known = list(dict.fromkeys(whole if "/" in part else [level.load for level in levels] + list(VERDICTS)))
    near = sorted(known, key=lambda name: edit_distance(part.lower(), name.lower()))[:_NEAR]
    return (
        f"--remeasure {part}: this run has no such level; near are {', '.join(near)} "
        f"(a level is called like {whole[0] if whole else 'experiment/payload/concurrency-4'})"
    )
