"""Downloads a model, compiles it for Neuron and places it in S3, as a step of a deployment.

The compiler is a process of its own, written down before it begins: the cleanup of another process ends it. What is
half done in S3 is deleted with the run; what is complete stays, for the next run to use.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

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
from fmbench_lib.deploy.neuron.store import found, place
from fmbench_lib.deploy.platform import DeployContext
from fmbench_lib.deploy.s3_objects import exists, remove_object
from fmbench_lib.deploy.serving_properties import properties_text
from fmbench_lib.errors import DeployError
from fmbench_lib.host import process
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.models.cache import cache_folder

Resource = dict[str, Any]
Note = Callable[[list[Resource]], None]

KIND = "compiler"
_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Tools:
    """The Neuron compiler of this machine, and the Python that it belongs to."""

    compiler: str
    python: str


def tools() -> Tools | None:
    """The compiler on PATH with the Python beside it; None where there is none."""
    compiler = shutil.which(COMPILER)
    if compiler is None:
        return None
    beside = [Path(compiler).with_name(name) for name in ("python3", "python")]
    python = next((str(path) for path in beside if os.access(path, os.X_OK)), None)
    return None if python is None else Tools(compiler, python)


def planned(experiment: Experiment) -> str:
    """What would be compiled, for a plan; nobody is asked. Raises DeployError for what the config lacks."""
    try:
        compilation = compilation_of(experiment)
    except DeployError as lacking:
        return f"its model must be compiled, and stand at {weights_address(experiment)} ({lacking})"
    have = tools()
    if have is not None:
        how = f"compiled here by {have.compiler}"
    else:
        how = f"compiled beforehand, since this machine has no {COMPILER}: {commands(compilation, experiment.env)}"
    notes = "".join(f"; {note}" for note in compilation.notes())
    said = f"its model is taken from {compilation.weights} where it is there, else {how}"
    return f"{said} (for {compilation.settings}{notes})"


def ensure_compiled(experiment: Experiment, region: str, context: DeployContext, note: Note) -> str:
    """Where in S3 the compiled model stands, made if need be.

    `note` is called with what must be ended or deleted should this be broken off, before it is made. Raises
    DeployError: no compiler here, no model, no space, a compiler that fails.
    """
    try:
        compilation = compilation_of(experiment)
    except DeployError as lacking:
        return _as_it_is(experiment, region, str(lacking))
    there = found(compilation, region)
    if there:
        context.say(there)
        return compilation.weights
    have = tools()
    if have is None:
        raise DeployError(
            f"there is no compiled model at {compilation.weights}, and this machine has no {COMPILER} to compile it: "
            f"run this where the Neuron SDK is, or there: {commands(compilation, experiment.env)}"
        )
    for line in compilation.notes():
        context.say(line)
    folder = cache_folder() / "neuron" / compilation.settings.key()
    with _alone(folder, context):
        snapshot = _compiled(experiment, compilation, have, folder, context, note)
        facts = json.loads((folder / DONE).read_text())
        weights = folder / WEIGHTS if compilation.settings.split else snapshot
        context.say(f"placing the compiled model at {compilation.weights}")
        folders = {compilation.weights: weights, compilation.artifacts: folder / ARTIFACTS}
        size = place(compilation, region, context.run_id, folders, facts, note)
    where = compilation.weights.rpartition("/")[0]
    context.say(f"{size / 1e6:,.0f} MB placed at {where}, where they stay after the run")
    return compilation.weights


def _as_it_is(experiment: Experiment, region: str, lacking: str) -> str:
    """Where a model stands that the config does not say enough of to compile it; raises DeployError where none does."""
    address = weights_address(experiment)
    if not exists(f"{address}/", region):
        raise DeployError(
            f"there is no compiled model at {address}/ (option.model_id): compile it for {experiment.instance_type} "
            f"and put it there; to have it compiled on the way: {lacking}"
        )
    return address


def with_compiled(experiment: Experiment, region: str, context: DeployContext, note: Note) -> Experiment:
    """The experiment with its compiled model in the place of the one that it names; unchanged where it has none."""
    if not is_compiled(experiment):
        return experiment
    address = ensure_compiled(experiment, region, context, note)
    return experiment.model_copy(update={"serving_properties": properties_text(experiment, address)})


def removed(resource: Mapping[str, Any]) -> bool:
    """End a compiler, or delete a file of an upload that was broken off; False for what is neither.

    Raises DeployError where it does not end, or is not seen to be gone.
    """
    if resource.get("kind") == "s3_object":
        remove_object(dict(resource))
    elif resource.get("kind") == KIND:
        _stop(resource)
    else:
        return False
    return True


def _stop(resource: Mapping[str, Any]) -> None:
    process.stop(ProcessMark(int(resource["pid"]), float(resource["started"]), float(resource["booted"])))


def _compiled(
    experiment: Experiment, compilation: Compilation, have: Tools, folder: Path, context: DeployContext, note: Note
) -> Path:
    """Compile into `folder`, unless that was done; the folder of the model as Hugging Face has it."""
    settings = compilation.settings
    context.say(f"fetching {settings.model_id} from Hugging Face")
    snapshot = _snapshot(settings.model_id, context.hf_token)
    if (folder / DONE).is_file():
        context.say(f"{folder} has it compiled already")
        return snapshot
    for name in (WEIGHTS, ARTIFACTS):
        shutil.rmtree(folder / name, ignore_errors=True)
    log_file = (context.log_folder / f"{quote(experiment.name, safe=' ')}-neuron.log").resolve()
    command = [*program_command(have.python, settings, str(snapshot), str(folder)), "--wait"]
    own = {name: str(value) for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    surroundings = {**own, **environment(settings, experiment.env), "PYTHONUNBUFFERED": "1"}
    for secret in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        surroundings.pop(secret, None)  # the model is here: nothing is fetched any more
    mark = process.start_held(command, log_file=log_file, env=surroundings)
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
        said = hidden(process.tail(log_file), [context.hf_token or ""])
        raise DeployError(f"{have.compiler}: compiling {process.ending(mark)}; its log ends: {said}")
    return snapshot


def _snapshot(model_id: str, token: str | None) -> Path:
    """The model in the hub's own cache, fetched where it is not there."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise DeployError(f"{model_id} is fetched from Hugging Face: pip install huggingface_hub") from None
    try:
        return Path(snapshot_download(model_id, token=token or False))
    except Exception as error:  # noqa: BLE001 - the hub's client raises its own, HTTP's, the system's and ValueError
        said = hidden(str(error) or type(error).__name__, [token or ""])
        raise DeployError(f"{model_id} cannot be fetched from Hugging Face: {said}") from None


@contextmanager
def _alone(folder: Path, context: DeployContext) -> Iterator[None]:
    """One compiler for one model: another experiment that wants the same waits, and then has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        said = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not said:
                    context.say(f"waiting for another process that compiles the same model in {folder}")
                    said = True
                context.pause(_POLL_S)
        yield
