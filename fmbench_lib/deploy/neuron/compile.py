"""Compiling a model for Neuron, as a step of a deployment: download, compile, upload to S3.

The compiler is a separate process, recorded before it starts, so that a cleanup in another process can stop it. A
partial upload is deleted with the run; a complete one stays in S3 for later runs.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.aws.calls import hidden
from fmbench_lib.config import Experiment
from fmbench_lib.deploy.neuron.compiler_program import DONE
from fmbench_lib.deploy.neuron.settings import (
    ARTIFACTS,
    COMPILER,
    WEIGHTS,
    Compilation,
    commands,
    compilation_of,
    environment,
    is_compiled,
    program_command,
    weights_address,
)
from fmbench_lib.deploy.neuron.store import CompilerFacts, describe_stored, upload_compiled
from fmbench_lib.deploy.platform import DeployContext
from fmbench_lib.deploy.s3_objects import exists, is_s3_object, remove_object
from fmbench_lib.deploy.serving_properties import properties_text
from fmbench_lib.errors import DeployError
from fmbench_lib.host import process
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.models.cache import cache_folder
from fmbench_lib.workspace import path_part

Resource = Mapping[str, Any]
Note = Callable[[Sequence[Resource]], None]

KIND = "compiler"
_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Tools:
    """The Neuron compiler on this machine, and the Python installation that it belongs to."""

    compiler: str
    python: str


def tools() -> Tools | None:
    """The compiler on PATH and the Python beside it; None where there is none."""
    compiler = shutil.which(COMPILER)
    if compiler is None:
        return None
    beside = [Path(compiler).with_name(name) for name in ("python3", "python")]
    python = next((str(path) for path in beside if os.access(path, os.X_OK)), None)
    return None if python is None else Tools(compiler, python)


def planned(experiment: Experiment) -> str:
    """What would be compiled, as a line of the plan; makes no network call."""
    try:
        compilation = compilation_of(experiment)
    except DeployError as error:
        return f"a compiled model must exist at {weights_address(experiment)} ({error})"
    compiler = tools()
    if compiler is not None:
        source = f"is compiled here by {compiler.compiler}"
    else:
        shell = commands(compilation, experiment.env)
        source = f"must be compiled beforehand, since this machine has no {COMPILER}: {shell}"
    notes = "".join(f"; {note}" for note in compilation.notes())
    summary = f"the compiled model is read from {compilation.weights} if it exists, otherwise it {source}"
    return f"{summary} (for {compilation.settings}{notes})"


def ensure_compiled(experiment: Experiment, region: str, context: DeployContext, note: Note) -> str:
    """Make sure that the compiled model is in S3, and return its address.

    `note` is called, before each is created, with the resources to stop or delete if this is interrupted. Raises
    DeployError: no compiler here, no model, no disk space, or a compiler that fails.
    """
    try:
        compilation = compilation_of(experiment)
    except DeployError as error:
        return _existing_address(experiment, region, str(error))
    existing = describe_stored(compilation, region)
    if existing:
        context.say(existing)
        return compilation.weights
    compiler = tools()
    if compiler is None:
        raise DeployError(
            f"there is no compiled model at {compilation.weights}, and this machine has no {COMPILER} to compile it: "
            f"run fmbench where the Neuron SDK is installed, or run there: {commands(compilation, experiment.env)}"
        )
    for line in compilation.notes():
        context.say(line)
    folder = cache_folder() / "neuron" / compilation.settings.key()
    with _locked(folder, context):
        snapshot = _compile(experiment, compilation, compiler, folder, context, note)
        facts: CompilerFacts = json.loads((folder / DONE).read_text())
        weights = folder / WEIGHTS if compilation.settings.split else snapshot
        context.say(f"uploading the compiled model to {compilation.weights}")
        folders = {compilation.weights: weights, compilation.artifacts: folder / ARTIFACTS}
        size = upload_compiled(compilation, region, context.run_id, folders, facts, note)
    where = compilation.weights.rpartition("/")[0]
    context.say(f"{size / 1e6:,.0f} MB uploaded to {where}; they stay there after the run")
    return compilation.weights


def _existing_address(experiment: Experiment, region: str, missing: str) -> str:
    """The address of a model whose config lacks the settings to compile it. Raises DeployError where S3 has none."""
    address = weights_address(experiment)
    if not exists(f"{address}/", region):
        raise DeployError(
            f"there is no compiled model at {address}/ (option.model_id): compile it for {experiment.instance_type} "
            f"and upload it there; to have fmbench compile it: {missing}"
        )
    return address


def with_compiled(experiment: Experiment, region: str, context: DeployContext, note: Note) -> Experiment:
    """The experiment, serving the compiled model instead of the original; unchanged where it needs no compiling."""
    if not is_compiled(experiment):
        return experiment
    address = ensure_compiled(experiment, region, context, note)
    return experiment.model_copy(update={"serving_properties": properties_text(experiment, address)})


def removed(resource: Mapping[str, Any]) -> bool:
    """Stop a compiler, or delete a file of an interrupted upload; returns False for any other resource. Raises
    DeployError where it cannot be stopped or deleted."""
    if is_s3_object(resource):
        remove_object(resource)
    elif resource.get("kind") == KIND:
        _stop(resource)
    else:
        return False
    return True


def _stop(resource: Mapping[str, Any]) -> None:
    process.stop(ProcessMark(int(resource["pid"]), float(resource["started"]), float(resource["booted"])))


def _compile(
    experiment: Experiment, compilation: Compilation, compiler: Tools, folder: Path, context: DeployContext, note: Note
) -> Path:
    """Compile into `folder`, unless that is done already; returns the folder of the original model."""
    settings = compilation.settings
    context.say(f"downloading {settings.model_id} from Hugging Face")
    snapshot = _snapshot(settings.model_id, context.hf_token)
    if (folder / DONE).is_file():
        context.say(f"{folder} already has the compiled model")
        return snapshot
    for name in (WEIGHTS, ARTIFACTS):
        shutil.rmtree(folder / name, ignore_errors=True)
    log_file = (context.log_folder / f"{path_part(experiment.name)}-neuron.log").resolve()
    command = [*program_command(compiler.python, settings, str(snapshot), str(folder)), "--wait"]
    inherited = {name: str(value) for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    variables = {**inherited, **environment(settings, experiment.env), "PYTHONUNBUFFERED": "1"}
    for secret in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        variables.pop(secret, None)  # the model is on this machine: nothing more is downloaded
    mark = process.start_held(command, log_file=log_file, env=variables)
    try:
        note([{"kind": KIND, **asdict(mark)}])
    except BaseException:
        process.stop(mark)
        raise
    process.release(mark)
    context.say(f"compiling {settings.model_id} for {settings}: process {mark.pid}, log {log_file}")
    while process.running(mark):
        context.pause(_POLL_S)
    if not (folder / DONE).is_file():
        log_end = hidden(process.tail(log_file), [context.hf_token or ""])
        raise DeployError(f"{compiler.compiler}: compiling {process.ending(mark)}; its log ends: {log_end}")
    return snapshot


def _snapshot(model_id: str, token: str | None) -> Path:
    """The model in the hub's local cache, downloaded if it is missing."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise DeployError(
            f"downloading {model_id} from Hugging Face needs huggingface_hub: pip install huggingface_hub"
        ) from None
    try:
        return Path(snapshot_download(model_id, token=token or False))
    except Exception as error:  # noqa: BLE001 - the hub's client raises its own errors, HTTP's, OSError and ValueError
        reason = hidden(str(error) or type(error).__name__, [token or ""])
        raise DeployError(f"cannot download {model_id} from Hugging Face: {reason}") from None


@contextmanager
def _locked(folder: Path, context: DeployContext) -> Iterator[None]:
    """Hold the model's lock: another experiment that needs the same model waits, and then uses the result."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        announced = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not announced:
                    context.say(f"waiting for another process that is compiling the same model in {folder}")
                    announced = True
                context.pause(_POLL_S)
        yield
