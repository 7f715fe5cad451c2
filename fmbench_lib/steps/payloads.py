"""The payload files of a run: their index, their checks, and those of an earlier run."""

from __future__ import annotations

import hashlib
from typing import Any

import pandas as pd

from fmbench_lib.atomic_files import read_json
from fmbench_lib.errors import RunStateError
from fmbench_lib.runs.location import earlier_run_in_bucket
from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import Workspace, runs_of


def earlier_prompts(run: Run) -> Workspace:
    """The newest other run of this name whose prompts were made from the same `datasets` section: on this machine, else
    in the bucket that the run is kept in."""
    wanted = dataset_facts(run)["datasets"]

    def fits(earlier: Workspace) -> bool:
        facts = earlier.prompts / "payloads.json"
        return facts.exists() and bool(read_json(facts)["datasets"] == wanted)

    for workspace in runs_of(run.workspace.path.parent.parent, run.config.general.name):
        if workspace.path != run.workspace.path and fits(workspace):
            return workspace
    kept = earlier_run_in_bucket(run.workspace, fits)
    if kept is not None:
        return kept
    raise RunStateError(
        f"run_steps switches 1_generate_data off, but no earlier run of {run.config.general.name} has prompts of the "
        f"same datasets section: switch it on"
    )


def dataset_facts(run: Run) -> dict[str, Any]:
    return {"datasets": run.config.datasets.model_dump(mode="json")}


def has_payloads(run: Run) -> bool:
    return (run.workspace.prompts / "payloads.json").exists()


def payload_table(run: Run) -> pd.DataFrame:
    """The payload files of the run with their counts. Raises RunStateError before there are any."""
    if not has_payloads(run):
        raise RunStateError(f"{run.workspace.path} has no prompts yet: run the notebook 1_generate_data first")
    return pd.DataFrame(read_json(run.workspace.prompts / "payloads.json")["payloads"]).drop(columns="sha256")


def check_prompts(run: Run) -> None:
    """Raise RunStateError when a payload file is not what it was made: levels of one run share their prompts."""
    for payload in read_json(run.workspace.prompts / "payloads.json")["payloads"]:
        name = payload["payload_file"]
        if not run.workspace.payload(name).exists() or content_hash(run, name) != payload["sha256"]:
            raise RunStateError(
                f"{run.workspace.payload(name)} has changed since run {run.workspace.run_id} made it: start a new run"
            )


def content_hash(run: Run, payload_file: str) -> str:
    with run.workspace.payload(payload_file).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
