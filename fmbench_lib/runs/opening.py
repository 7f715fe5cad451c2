"""Creating, finding and reopening runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform as host_platform
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib import __version__
from fmbench_lib.config import LoadedConfig, load_config, redacted
from fmbench_lib.config.problems import ConfigError
from fmbench_lib.config.reading.overrides import overrides_in
from fmbench_lib.config.secret_names import is_secret
from fmbench_lib.config.secrets import redactor_for
from fmbench_lib.config.shipped.files import find_config, shipped_root
from fmbench_lib.errors import DiskFullError, InputError, RunStateError
from fmbench_lib.host.atomic_files import each_text, write_text
from fmbench_lib.host.facts import host_facts
from fmbench_lib.host.paths import expanded
from fmbench_lib.host.process_identity import this_process
from fmbench_lib.run_state import RunState
from fmbench_lib.runs.config_arguments import all_arguments, given_arguments, load_with_placeholders
from fmbench_lib.runs.file_cleaning import make_private
from fmbench_lib.runs.location import (
    DEFAULT_STORAGE,
    RunLocation,
    StorageOptions,
    connected,
    every_file,
    fetch_run,
    is_local_only,
    keeper_of,
    location_of,
    runs_in_bucket,
)
from fmbench_lib.runs.report_options import as_measured
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.whole_state import whole_state
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.storage.fetch import is_elsewhere, local_config
from fmbench_lib.workspace import Workspace, create_workspace, path_part, runs_of

RESULTS_VARIABLE = "FMBENCH_RESULTS_DIR"
_PACKAGES = ("numpy", "pandas", "pyarrow", "papermill", "tokenizers", "xllamacpp", "ipykernel")


def default_results() -> Path:
    """The folder of run directories where no option names one.

    It is `$FMBENCH_RESULTS_DIR`, else `results/` in the current folder, or at the root of the checkout that the current
    folder is in. Notebook jobs, which run in a folder each, find the same run by the variable.
    """
    folder = os.environ.get(RESULTS_VARIABLE)
    if folder:
        return expanded(folder).absolute()
    root, here = shipped_root(), Path.cwd()
    in_checkout = (root / "pyproject.toml").exists() and here.is_relative_to(root)
    return (root if in_checkout else here) / "results"


def config_hash(loaded: LoadedConfig) -> str:
    """SHA-256 in hex of the config's text with its placeholders filled in."""
    return hashlib.sha256(loaded.text.encode()).hexdigest()


def create_run(
    config_file: str | Path,
    *,
    results: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    standard: Mapping[str, str] | None = None,
    storage: StorageOptions = DEFAULT_STORAGE,
) -> Run:
    """Make a run directory for a config.

    Raises ConfigError when the config is wrong, and InputError where its bucket cannot be used; then nothing is made.
    """
    given = given_arguments(arguments)
    loaded, known = load_with_placeholders(config_file, given, standard, local_only=storage.local_only)
    config = loaded.config
    redactor = redactor_for(config, given)
    location = location_of(config, storage)
    workspace = replace(create_workspace(results or default_results(), config.general.name), redact=redactor)
    copy = each_text(redacted(config), redactor.in_content)  # a value that is a secret elsewhere is one everywhere
    try:
        write_text(workspace.config_copy, yaml.safe_dump(copy, sort_keys=False, allow_unicode=True))
        state = _new_state(workspace, loaded, config_file, given, known, location, storage)
        workspace.note(workspace.run_file, state)
        workspace.log_event("run created", config_file=str(loaded.path))
        if config.report.private:
            make_private(workspace)
    except (DiskFullError, OSError) as error:
        shutil.rmtree(workspace.path, ignore_errors=True)
        raise RunStateError(f"cannot make the run directory {workspace.path}: {error}") from error
    return Run(loaded, _begin_copy(workspace), redactor, storage.local_only)


def create_run_of(content: Mapping[str, Any], results: Path, arguments: Mapping[str, str]) -> Run:
    """Make a run directory for a config that no file holds, such as that of imported results: its copy is the config.

    `arguments` replace keys, as `overrides_in` reads them. Raises ConfigError when the config is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, "draft.yml")
        write_text(draft, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))
        config = load_config(draft, arguments=arguments).config
    workspace = create_workspace(results, config.general.name)
    write_text(workspace.config_copy, yaml.safe_dump(redacted(config), sort_keys=False, allow_unicode=True))
    loaded, storage = load_config(workspace.config_copy), StorageOptions(local_only=True)
    location = location_of(loaded.config, storage)
    state = _new_state(workspace, loaded, workspace.config_copy, {}, {}, location, storage)
    workspace.note(workspace.run_file, state)
    return Run(loaded, connected(workspace), redactor_for(loaded.config, {}), local_only=True)


def _new_state(
    workspace: Workspace,
    loaded: LoadedConfig,
    config_file: str | Path,
    arguments: Mapping[str, str],
    standard: dict[str, str],
    location: RunLocation,
    storage: StorageOptions,
) -> RunState:
    general = loaded.config.general
    public = {name: text for name, text in arguments.items() if not is_secret(name) and workspace.redact(text) == text}
    return {
        "run_id": workspace.run_id,
        "name": general.name,
        "status": "running",
        "process": this_process(),
        "config_file": str(loaded.path),
        "config_address": str(config_file) if is_elsewhere(str(config_file)) else None,
        "config_sha256": config_hash(loaded),
        "arguments": public,
        "standard": standard,
        "kept": location.state(general.name, workspace.run_id, storage),
        "seed": general.seed,
        "created": datetime.now(UTC).isoformat(),
        "versions": _versions(),
        "host": host_facts(),
        "notices": [str(notice) for notice in loaded.notices],
        "steps": {},
    }


def forget_run(run: Run) -> bool:
    """Delete the directory of a run that has deployed and measured nothing; returns whether it did.

    One that is kept in a bucket stays, as what is there does.
    """
    workspace = run.workspace
    if keeper_of(workspace) is not None or workspace.endpoints_file.exists() or workspace.levels():
        return False
    shutil.rmtree(workspace.path, ignore_errors=True)
    with contextlib.suppress(OSError):  # it holds something else
        workspace.path.parent.rmdir()
    return not workspace.path.exists()


def _begin_copy(workspace: Workspace) -> Workspace:
    """The new run with its first files in its bucket; deletes the directory where they cannot be put there."""
    keeper = keeper_of(workspace)
    if keeper is not None:
        try:
            keeper.begin(workspace)
        except InputError:
            shutil.rmtree(workspace.path, ignore_errors=True)
            raise
    return connected(workspace)


def open_run(config_file: str | Path, run_dir: str | Path = "", arguments: Mapping[str, str] | None = None) -> Run:
    """Open an existing run: the one in `run_dir`, else the newest unfinished one of this config, else its newest one.

    Where there is none on this machine, the config's bucket is searched. Raises RunStateError when there is none, or
    when the run was made from another config.
    """
    if run_dir:
        return reopen_run(local_run(str(run_dir)), arguments, config_file)
    loaded = load_config(local_config(str(config_file)), arguments=given_arguments(arguments))
    path = _newest_of(loaded, arguments)
    if path is not None:
        return reopen_run(path, arguments, config_file)
    # The name of its bucket may be known to this machine only.
    loaded, _ = load_with_placeholders(config_file, given_arguments(arguments), None)
    address = newest_in_bucket(loaded, arguments, DEFAULT_STORAGE)
    if address is None:
        raise RunStateError(
            f"there is no run of {config_file} below {default_results()}: run the notebook 0_setup first, "
            f"set run_dir, or set {RESULTS_VARIABLE} to the folder of the runs"
        )
    return reopen_run(local_run(address), arguments, config_file)


def _newest_of(loaded: LoadedConfig, arguments: Mapping[str, str] | None) -> Path | None:
    """The newest unfinished run of a config on this machine, else its newest one."""
    runs = [(workspace, workspace.read_run()) for workspace in runs_of(default_results(), loaded.config.general.name)]
    matches = [(workspace, state) for workspace, state in runs if state["config_file"] == str(loaded.path)]
    # Notebook jobs have a copy of the config each, in a folder of their own.
    matches = matches or [(workspace, state) for workspace, state in runs if _is_copy(state, loaded.path, arguments)]
    unfinished = [workspace for workspace, state in matches if _is_unfinished(state)]
    newest = [*unfinished, *(workspace for workspace, _ in matches)][:1]
    return newest[0].path if newest else None


def newest_run(
    config_file: str, results: Path, arguments: Mapping[str, str], standard: Mapping[str, str], storage: StorageOptions
) -> Path:
    """The directory of the newest unfinished run of a config, on this machine or fetched from its bucket.

    Raises RunStateError where there is none.
    """
    loaded, _ = load_with_placeholders(config_file, given_arguments(arguments), standard, local_only=storage.local_only)
    here = [
        workspace.run_id
        for workspace in runs_of(results, loaded.config.general.name)
        if _is_unfinished(state := workspace.read_run()) and _load_unchanged(loaded.path, state, arguments) is not None
    ]
    address = newest_in_bucket(loaded, arguments, storage)
    if address is None and not here:
        raise RunStateError(f"there is no unfinished run of {config_file}: leave out --resume")
    if address is not None and (not here or address.rsplit("/", 1)[-1] >= here[0]):
        return local_run(address, results)
    return results / path_part(loaded.config.general.name) / here[0]


def newest_in_bucket(loaded: LoadedConfig, arguments: Mapping[str, str] | None, storage: StorageOptions) -> str | None:
    """The address of the newest unfinished run of a config in its bucket, None where there is none.

    Raises InputError where the bucket cannot be used.
    """
    return next(
        (
            address
            for address, state in runs_in_bucket(loaded.config, storage)
            if _is_unfinished(state) and _load_unchanged(loaded.path, state, arguments) is not None
        ),
        None,
    )


def _is_unfinished(state: RunState) -> bool:
    return state["status"] != "finished"


def local_run(path_or_address: str, results: Path | None = None, wanted: Callable[[str], bool] = every_file) -> Path:
    """The directory of a run; one given by its address in a bucket is fetched, as far as its files are wanted.

    Raises InputError where there is no run at that address.
    """
    if not is_address(path_or_address):
        return Path(path_or_address).resolve()
    return fetch_run(path_or_address, results or default_results(), wanted=wanted)


def _is_copy(state: RunState, path: Path, arguments: Mapping[str, str] | None) -> bool:
    """Whether a run was made from a config file of this name and content."""
    return Path(state["config_file"]).name == path.name and _load_unchanged(path, state, arguments) is not None


def reopen_run(run_dir: Path, arguments: Mapping[str, str] | None = None, config_file: str | Path | None = None) -> Run:
    """Open the run in `run_dir` with the config it was made from: `config_file`, else the original file or address.

    A run records no secrets: `arguments` or the environment must supply again what was given by `-A`. Raises
    RunStateError when the config has changed since, or `config_file` is another.
    """
    workspace = Workspace(run_dir.resolve())
    state = whole_state(workspace)
    loaded = _config_of(state, arguments, config_file)
    if loaded is None:
        if set(overrides_in(arguments or {}).items()) - set(state["arguments"].items()):
            raise RunStateError(f"--set: run {workspace.run_id} goes on with the values it has: start a new run")
        raise RunStateError(
            f"{state['config_file']} has changed since run {workspace.run_id} was made from it: restore it, or start a "
            f"new run"
        )
    redactor = redactor_for(loaded.config, all_arguments(state, arguments))
    return Run(loaded, connected(replace(workspace, redact=redactor)), redactor, is_local_only(workspace))


def _config_of(
    state: RunState, arguments: Mapping[str, str] | None, config_file: str | Path | None
) -> LoadedConfig | None:
    """The config that a run was made from, None where it has changed; raises InputError where it is not found."""
    if config_file is not None:
        path = local_config(str(config_file))
        loaded = _load_unchanged(path, state, arguments)
        if loaded is None and str(find_config(path)) != state["config_file"]:
            raise RunStateError(f"run {state['run_id']} was made from {state['config_file']}, not from {config_file}")
        return loaded
    if Path(state["config_file"]).is_file():
        return _load_unchanged(state["config_file"], state, arguments)
    address = state.get("config_address")
    if address:
        return _load_unchanged(local_config(address), state, arguments)
    raise RunStateError(
        f"{state['config_file']}, the config of run {state['run_id']}, is not on this machine: name it with "
        f"--config-file"
    )


def _load_unchanged(path: str | Path, state: RunState, arguments: Mapping[str, str] | None) -> LoadedConfig | None:
    """The config at `path` with the run's arguments and placeholders; None where it is not the one of then."""
    given = all_arguments(state, arguments)
    loaded = load_config(path, arguments=given, standard=state["standard"])
    return loaded if config_hash(loaded) == state["config_sha256"] else None


def open_for_reading(
    run_dir: Path, arguments: Mapping[str, str] | None = None, *, mistakes_are_told: bool = False
) -> Run:
    """Open a run to report on it, with the copy of the config in it where the original is gone or has changed.

    What was measured is as it was; how it is reported follows the original where that can be read. Raises ConfigError
    where the original has mistakes that are to be told.
    """
    Workspace(run_dir.resolve()).settle()
    try:
        return reopen_run(run_dir, arguments)
    except InputError as error:
        if mistakes_are_told and isinstance(error, ConfigError):
            raise
        workspace = Workspace(run_dir.resolve())
        state = whole_state(workspace)
        given = all_arguments(state, arguments)
        loaded = as_measured(workspace.config_copy, Path(state["config_file"]), given, state.get("standard", {}))
        redactor = redactor_for(loaded.config, given_arguments(arguments))
        return Run(loaded, connected(replace(workspace, redact=redactor)), redactor, is_local_only(workspace))


def _versions() -> dict[str, str]:
    versions = {"fmbench": __version__, "python": host_platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
