"""What a machine has brought back becomes part of the run: records, samples, logs and endpoints of its experiments."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.endpoints_file import endpoints, record
from fmbench_lib.fleet.machine_task import OUTPUT, Machine
from fmbench_lib.host.atomic_files import replacing
from fmbench_lib.host.process import tail
from fmbench_lib.runs.fleet_record import record_host
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.levels import missing_levels
from fmbench_lib.workspace import RUN_FILE, Workspace, failure_file, path_part

_DONE = ".parquet"


def runs_back(output: Path) -> list[Workspace]:
    """The runs that a machine has made itself, oldest first; none where nothing was brought back."""
    found = [Workspace(file.parent) for file in output.glob(f"*/*Z*/{RUN_FILE}")]
    return sorted((run for run in found if not run.run_id.startswith("0000")), key=lambda run: run.run_id)


def newest_run(output: Path) -> Workspace | None:
    """The last of them."""
    return next(reversed(runs_back(output)), None)


def take_over(run: Run, machine: Machine) -> bool:
    """Take what the machine's experiments have brought back into the run; whether there was a run of theirs.

    Levels that the run has already stay as they are.
    """
    source = newest_run(run.workspace.machine(machine.name).output)
    if source is None:
        return False
    for experiment in machine.experiments:
        _take_folders(source, run.workspace, experiment)
    _copy_new(source.logs, run.workspace.logs / machine.name)
    _take_endpoints(run, source, machine)
    record_host(run.workspace, machine, dict(source.read_run()["host"]))
    return True


def last_words(run: Run, machine: Machine) -> str:
    """What fmbench printed last on the machine; empty where nothing was brought back."""
    path = run.workspace.machine(machine.name).output / OUTPUT
    return tail(path) if path.exists() else ""


def error_there(run: Run, machine: Machine) -> str:
    """Why the machine's run stopped before its end; empty where it did not."""
    source = newest_run(run.workspace.machine(machine.name).output)
    steps = {} if source is None else source.read_run()["steps"]
    return next((f"{name}: {state['error']}" for name, state in steps.items() if state.get("error")), "")


def _take_folders(source: Workspace, target: Workspace, experiment: str) -> None:
    """Copy what is kept by experiment. Why levels failed is what the newest run of the machine says."""
    part = path_part(experiment)
    pairs = (
        (source.requests / part, target.requests / part),
        (source.endpoint_metrics / part, target.endpoint_metrics / part),
        (source.sent_prompts(experiment, "any").parent, target.sent_prompts(experiment, "any").parent),
        (source.containers(experiment), target.containers(experiment)),
    )
    for path in target.failures_of(experiment):
        path.unlink()
    for folder, copy in pairs:
        _copy_new(folder, copy)
    for level in target.levels_of(experiment):
        failure_file(level).unlink(missing_ok=True)


def _copy_new(source: Path, target: Path) -> None:
    for path in _files(source):
        copy = target / path.relative_to(source)
        if not copy.exists():
            with replacing(copy) as part:
                shutil.copyfile(path, part)


def _files(folder: Path) -> Iterator[Path]:
    """The complete files below a folder, records last."""
    found = sorted(folder.rglob("*"), key=lambda path: (path.suffix == _DONE, path))
    for path in found:
        unfinished = any(part.endswith((".part", ".lock")) for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and not unfinished:
            yield path


def _take_endpoints(run: Run, source: Workspace, machine: Machine) -> None:
    """Record the endpoints that there were on the machine, as gone with it."""
    for name, endpoint in endpoints(source).items():
        if name in machine.experiments:
            gone = endpoint.deleted_at or (time.time() if endpoint.owned else None)
            status = "deleted" if endpoint.owned and endpoint.status != "failed" else endpoint.status
            record(run.workspace, replace(endpoint, deleted_at=gone, status=status, log_files=(), copies=()))


def record_failure(run: Run, machine: Machine, reason: str) -> None:
    """Record for each experiment of a machine that never had an endpoint that it was not deployed, and why."""
    served = {name for name, endpoint in endpoints(run.workspace).items() if endpoint.status != "failed"}
    for experiment in run.config.experiments:
        if experiment.name in set(machine.experiments) - served:
            error = run.redactor(f"{machine.label}: {reason}")
            record(run.workspace, Endpoint(experiment.name, experiment.platform, status="failed", error=error))


def note_unmeasured(run: Run, machine: Machine, reason: str) -> None:
    """Note for each level of a machine that is missing without a reason of its own why it is."""
    known = endpoints(run.workspace)
    for level in missing_levels(run):
        name = level.experiment.name
        failure = run.workspace.failed_level(level.key)
        deployed = name in known and known[name].status != "failed"
        if name in machine.experiments and deployed and not failure.exists():
            run.workspace.note(failure, {**level.key._asdict(), "error": f"{machine.label}: {reason}"})
