"""The payload files of a run: their index, their checks, and those of an earlier run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pandas as pd
from pydantic import ValidationError

from fmbench_lib.config import Config
from fmbench_lib.config.schema.sections import Datasets
from fmbench_lib.data.payload_index import PayloadIndex, read_payload_index
from fmbench_lib.data.prompts import PromptRow
from fmbench_lib.errors import RunStateError
from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.runs.location import earlier_run_in_bucket
from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import Workspace, runs_of

_LENGTH_OF_LEVELS = ("min_iters_per_combination", "max_iters_per_combination")
"""Keys of the `datasets` section that say how many requests levels have, not which prompts there are."""


def needs_prompts(config: Config) -> bool:
    """Whether prompts are made or sent: a config may only deploy, for another machine to measure."""
    steps = ("1_generate_data", "3_run_inference")
    return any(config.run_steps.get(step, True) for step in steps)


def earlier_prompts(run: Run) -> Workspace:
    """The newest other run of this name whose prompts were made from the same `datasets` section: on this machine, else
    in the bucket that the run is kept in. Raises RunStateError where there is none."""
    wanted = _what_makes_prompts(datasets_section(run))

    def fits(earlier: Workspace) -> bool:
        if not earlier.payload_index.exists():
            return False
        return _what_makes_prompts(read_payload_index(earlier.payload_index).datasets) == wanted

    for workspace in runs_of(run.workspace.path.parent.parent, run.config.general.name):
        if workspace.path != run.workspace.path and fits(workspace):
            return workspace
    kept = earlier_run_in_bucket(run.workspace, fits)
    if kept is not None:
        return kept
    raise RunStateError(
        f"run_steps switches 1_generate_data off, but no earlier run of {run.config.general.name} has prompts of the "
        "same datasets section: switch it on (--set run_steps.1_generate_data=yes)"
    )


def prompt_rows(run: Run, payload_file: str) -> Iterator[PromptRow]:
    """The prompts of a payload file, one at a time."""
    return cast(Iterator[PromptRow], read_rows(run.workspace.payload(payload_file)))


def datasets_section(run: Run) -> dict[str, Any]:
    """The config's `datasets` section as the index of payload files holds it: it tells whether prompts are the same."""
    return run.config.datasets.model_dump(mode="json")


def _what_makes_prompts(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys of a `datasets` section that prompts depend on.

    Keys that the section lacks, as the version that wrote it did not know them, have their defaults: without them it
    made the prompts that this version makes with the defaults.
    """
    try:
        complete = Datasets.model_validate(section).model_dump(mode="json")
    except ValidationError:  # of a version whose keys mean something else
        return section
    return {key: value for key, value in complete.items() if key not in _LENGTH_OF_LEVELS}


def has_payloads(run: Run) -> bool:
    """Whether the run has its payload files."""
    return run.workspace.payload_index.exists()


def payload_index(run: Run) -> PayloadIndex:
    """The index of the run's payload files. Raises RunStateError before there are any."""
    if not has_payloads(run):
        raise RunStateError(f"{run.workspace.path} has no prompts yet: run the notebook 1_generate_data first")
    return read_payload_index(run.workspace.payload_index)


def relevance_of(run: Run) -> dict[str, dict[str, list[float]]]:
    """The relevance of the documents of each prompt, by payload file and prompt id; empty where the data has none."""
    if run.config.datasets.relevance_col_key is None or not has_payloads(run):
        return {}
    return {
        name: {row["prompt_id"]: row["relevance"] for row in prompt_rows(run, name) if "relevance" in row}
        for name in payload_index(run).counts
    }


def payload_table(run: Run) -> pd.DataFrame:
    """The payload files of the run with their counts. Raises RunStateError before there are any."""
    return pd.DataFrame([asdict(payload) for payload in payload_index(run).payloads]).drop(columns="sha256")


def check_prompts(run: Run) -> None:
    """Raise RunStateError when a payload file is not what it was made: levels of one run share their prompts."""
    for payload in payload_index(run).payloads:
        path = run.workspace.payload(payload.payload_file)
        if not path.exists() or content_hash(run, payload.payload_file) != payload.sha256:
            raise RunStateError(f"{path} has changed since run {run.workspace.run_id} made it: start a new run")


def content_hash(run: Run, payload_file: str) -> str:
    """The SHA-256 of a payload file, in hexadecimal."""
    return file_hash(run.workspace.payload(payload_file))


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
