"""Creating, finding and reopening runs."""

from __future__ import annotations

import hashlib
import json
import os
import platform as host_platform
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib import __version__
from fmbench_lib.aws.placeholders import look_around
from fmbench_lib.config import LoadedConfig, load_config, redacted
from fmbench_lib.config.redaction import is_secret
from fmbench_lib.config.secrets import redactor_for
from fmbench_lib.config.shipped.files import find_config, shipped_root
from fmbench_lib.errors import InputError, RunStateError
from fmbench_lib.host.facts import host_facts
from fmbench_lib.runs.location import Wish, brought, connected, is_local_only, keeper_of, place_of, runs_kept
from fmbench_lib.runs.run import Run
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.storage.fetch import is_elsewhere, local_config
from fmbench_lib.workspace import Workspace, create_workspace, path_part, runs_of, write_text

ARGUMENTS_VARIABLE = "FMBENCH_ARGUMENTS"  # how `-A` reaches the notebooks' kernels: it may hold secrets


RESULTS_VARIABLE = "FMBENCH_RESULTS_DIR"


_PACKAGES = ("numpy", "pandas", "pyarrow", "papermill", "tokenizers", "xllamacpp", "ipykernel")


_FINISHED = ("finished",)


NO_WISH = Wish()


def default_results() -> Path:
    """Where results go when no option says: `$FMBENCH_RESULTS_DIR`, else `results/` in the current folder, inside a
    checkout at its root. Notebook jobs, each in a folder of its own, meet by the variable."""
    said = os.environ.get(RESULTS_VARIABLE)
    if said:
        return Path(said).expanduser().absolute()
    root, here = shipped_root(), Path.cwd()
    in_checkout = (root / "pyproject.toml").exists() and here.is_relative_to(root)
    return (root if in_checkout else here) / "results"


def given_arguments(arguments: Mapping[str, str] | None) -> dict[str, str]:
    """`-A` as it was given to this process, or by the environment to the kernel that it started."""
    return {**json.loads(os.environ.get(ARGUMENTS_VARIABLE) or "{}"), **(arguments or {})}


def load_here(
    config_file: str | Path,
    arguments: Mapping[str, str],
    standard: Mapping[str, str] | None,
    *,
    local_only: bool = False,
) -> tuple[LoadedConfig, dict[str, str]]:
    """A config with the standard placeholders that are given or known here, and these.

    Values that nobody gave are noticed, with where they are from. With `local_only` no bucket is looked for.
    """
    path = local_config(str(config_file))
    said = [_asked(find_config(path)), *arguments.values()]
    around = look_around(said, {**(standard or {}), **arguments}, buckets=not local_only)
    known = {**(standard or {}), **around.values}
    loaded = load_config(path, arguments=arguments, standard=known)
    return replace(loaded, notices=(*loaded.notices, *around.notices)), known


def _asked(config: Path) -> str:
    """A config's text without comments, as far as it can be read; loading it says what is wrong with it."""
    try:
        text = config.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return re.sub(r"(^|\s)#.*", "", text, flags=re.MULTILINE)


def config_hash(loaded: LoadedConfig) -> str:
    """SHA-256 of the config's text with its placeholders replaced."""
    return hashlib.sha256(loaded.text.encode()).hexdigest()


def create_run(
    config_file: str | Path,
    *,
    results: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    standard: Mapping[str, str] | None = None,
    wish: Wish = NO_WISH,
) -> Run:
    """Make a new run directory for a config.

    Raises ConfigError when the config is wrong, and InputError where the run cannot be kept in the bucket that it is
    to be kept in; then nothing is made.
    """
    given = given_arguments(arguments)
    loaded, known = load_here(config_file, given, standard, local_only=wish.local_only)
    config = loaded.config
    redactor = redactor_for(config, given)
    place = place_of(config, wish)
    workspace = replace(create_workspace(results or default_results(), config.general.name), redact=redactor)
    write_text(workspace.config_copy, yaml.safe_dump(redacted(config), sort_keys=False, allow_unicode=True))
    workspace.note(
        workspace.run_file,
        {
            "run_id": workspace.run_id,
            "name": config.general.name,
            "status": "running",
            "config_file": str(loaded.path),
            "config_address": str(config_file) if is_elsewhere(str(config_file)) else None,
            "config_sha256": config_hash(loaded),
            "arguments": {
                key: value for key, value in given.items() if not is_secret(key) and redactor(value) == value
            },
            "standard": known,
            "kept": place.noted(config.general.name, workspace.run_id, wish),
            "seed": config.general.seed,
            "created": datetime.now(UTC).isoformat(),
            "versions": _versions(),
            "host": host_facts(),
            "notices": [str(notice) for notice in loaded.notices],
            "steps": {},
        },
    )
    workspace.log_event("run created", config_file=str(loaded.path))
    return Run(loaded, _kept(workspace), redactor, wish.local_only)


def _kept(workspace: Workspace) -> Workspace:
    """A new run with its first files in the bucket that it is kept in; nothing is left where they cannot be put."""
    keeper = keeper_of(workspace)
    if keeper is not None:
        try:
            keeper.begin(workspace)
        except InputError:
            shutil.rmtree(workspace.path, ignore_errors=True)
            raise
    return connected(workspace)


def open_run(config_file: str | Path, run_dir: str | Path = "", arguments: Mapping[str, str] | None = None) -> Run:
    """Open a run that exists: the one in `run_dir`, or with none given the newest unfinished one of this config, or
    else its newest finished one. Where there is none on this machine, the bucket that the config names is asked.

    Raises RunStateError when there is none, or when the config is not the one that the run was made from.
    """
    if run_dir:
        return reopen_run(local_run(str(run_dir)), arguments, config_file)
    loaded = load_config(local_config(str(config_file)), arguments=given_arguments(arguments))
    runs = [(one, one.read_run()) for one in runs_of(default_results(), loaded.config.general.name)]
    found = [(one, state) for one, state in runs if state["config_file"] == str(loaded.path)]
    # Notebook jobs get a copy of the config each, in a folder of its own.
    found = found or [(one, state) for one, state in runs if _made_from_copy(state, loaded.path, arguments)]
    newest = [one.path for one, state in found if _is_unfinished(state)] or [one.path for one, _ in found]
    if newest:
        return reopen_run(newest[0], arguments, config_file)
    loaded, _ = load_here(config_file, given_arguments(arguments), None)  # the bucket may be known here alone
    address = newest_kept(loaded, arguments, NO_WISH)
    if address is None:
        raise RunStateError(
            f"there is no run of {config_file} below {default_results()}: run the notebook 0_setup first, "
            f"give run_dir, or say in {RESULTS_VARIABLE} where runs are kept"
        )
    return reopen_run(local_run(address), arguments, config_file)


def newest_run(
    config_file: str, results: Path, arguments: Mapping[str, str], standard: Mapping[str, str], wish: Wish
) -> Path:
    """The directory of the newest unfinished run of a config, on this machine or in the bucket that it is kept in.

    Raises RunStateError where there is none.
    """
    loaded, _ = load_here(config_file, given_arguments(arguments), standard, local_only=wish.local_only)
    here = [
        workspace.run_id
        for workspace in runs_of(results, loaded.config.general.name)
        if _is_unfinished(state := workspace.read_run()) and _same(loaded.path, state, arguments) is not None
    ]
    address = newest_kept(loaded, arguments, wish)
    if address is None and not here:
        raise RunStateError(f"there is no unfinished run of {config_file}: leave out --resume")
    if address is not None and (not here or address.rsplit("/", 1)[-1] >= here[0]):
        return local_run(address, results)
    return results / path_part(loaded.config.general.name) / here[0]


def newest_kept(loaded: LoadedConfig, arguments: Mapping[str, str] | None, wish: Wish) -> str | None:
    """The address of the newest unfinished run of a config in its bucket; None where there is none."""
    return next(
        (
            address
            for address, state in runs_kept(loaded.config, wish)
            if _is_unfinished(state) and _same(loaded.path, state, arguments) is not None
        ),
        None,
    )


def _is_unfinished(state: Mapping[str, Any]) -> bool:
    return state["status"] not in _FINISHED


def local_run(place: str, results: Path | None = None, wanted: Callable[[str], bool] = lambda name: True) -> Path:
    """The directory of a run that is given by its path, or by its address in a bucket: then it is fetched.

    Raises InputError where there is no such run.
    """
    if not is_address(place):
        return Path(place).resolve()
    return brought(place, results or default_results(), wanted=wanted)


def _made_from_copy(state: Mapping[str, Any], path: Path, arguments: Mapping[str, str] | None) -> bool:
    """Whether a run was made from a file of this name and content."""
    return Path(state["config_file"]).name == path.name and _same(path, state, arguments) is not None


def reopen_run(run_dir: Path, arguments: Mapping[str, str] | None = None, config_file: str | Path | None = None) -> Run:
    """Open the run in `run_dir` with the config it was made from: `config_file`, the file of then, or its address.

    Secrets are not kept in a run: `arguments` or the environment bring again what had been given by `-A`. Raises
    RunStateError when the config has changed since, or `config_file` names another.
    """
    workspace = Workspace(run_dir.resolve())
    state = workspace.read_run()
    loaded = _config_of(state, arguments, config_file)
    if loaded is None:
        raise RunStateError(
            f"{state['config_file']} has changed since run {workspace.run_id} was made from it: "
            f"restore it, or start a new run"
        )
    redactor = redactor_for(loaded.config, {**state["arguments"], **given_arguments(arguments)})
    return Run(loaded, connected(replace(workspace, redact=redactor)), redactor, is_local_only(workspace))


def _config_of(
    state: Mapping[str, Any], arguments: Mapping[str, str] | None, config_file: str | Path | None
) -> LoadedConfig | None:
    """The config that a run was made from, None where it has changed; raises InputError where it is not to be had."""
    if config_file is not None:
        path = local_config(str(config_file))
        loaded = _same(path, state, arguments)
        if loaded is None and str(find_config(path)) != state["config_file"]:
            raise RunStateError(f"run {state['run_id']} is one of {state['config_file']}, not of {config_file}")
        return loaded
    if Path(state["config_file"]).is_file():
        return _same(state["config_file"], state, arguments)
    if state.get("config_address"):
        return _same(local_config(state["config_address"]), state, arguments)
    raise RunStateError(
        f"{state['config_file']}, the config of run {state['run_id']}, is not on this machine: give it by --config-file"
    )


def _same(path: str | Path, state: Mapping[str, Any], arguments: Mapping[str, str] | None) -> LoadedConfig | None:
    """The config at `path` with the values that the run was given; None where the run was made from another."""
    given = {**state["arguments"], **given_arguments(arguments)}
    loaded = load_config(path, arguments=given, standard=state["standard"])
    return loaded if config_hash(loaded) == state["config_sha256"] else None


def open_for_reading(run_dir: Path, arguments: Mapping[str, str] | None = None) -> Run:
    """Open a run to report on it: with its own copy of the config where the original is gone or has changed."""
    try:
        return reopen_run(run_dir, arguments)
    except InputError:
        workspace = Workspace(run_dir.resolve())
        workspace.read_run()
        loaded = load_config(workspace.config_copy)
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
