"""Records made again from the raw responses of a run with `load.keep_raw`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.errors import RunStateError
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.recording.raw_responses import decode_raw
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.levels import run_levels
from fmbench_lib.steps.run_inputs.tokenizers_of_run import tokenizer_of
from fmbench_lib.workspace import raw_file


def decode_again(run: Run) -> int:
    """Decode every level whose raw responses were kept again; returns how many levels have new records.

    Raises RunStateError where there are none, DataError for a damaged raw file. Records of other levels stay.
    """
    deployed = endpoints(run.workspace)
    done = 0
    for level, target in _targets(run):
        endpoint = deployed[level.experiment.name]
        scratch = run.workspace.level_scratch(level.key)
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            model = endpoint.model or level.experiment.model_id
            predictor = predictor_for(level.experiment, endpoint.urls[0], model, run.loaded.folder)
            part = scratch / "records.parquet"
            decode_raw(
                raw_file(target),
                part,
                predictor,
                tokenizer_of(run, level.experiment),
                scratch,
                run.redactor,
            )
            part.replace(target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        done += 1
    if not done:
        raise RunStateError(f"{run.workspace.path}: no raw responses were kept; set load.keep_raw: yes before the run")
    return done


def _targets(run: Run) -> Iterator[tuple[LevelSpec, Path]]:
    """The records of every attempt whose raw responses were kept."""
    for level in run_levels(run):
        attempts = [path for _, path in run.workspace.earlier_attempts(level.key)]
        for target in (*attempts, run.workspace.level(level.key)):
            if raw_file(target).exists():
                yield level, target
