"""A run: its config and its directory, opened by whoever works on it and checked to belong together."""

from __future__ import annotations

import hashlib
import json
import os
import platform as host_platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib import __version__
from fmbench_lib.config import Config, LoadedConfig, load_config, redacted
from fmbench_lib.config.redaction import is_secret
from fmbench_lib.config.secrets import Redactor, redactor_for
from fmbench_lib.config.shipped import find_config, shipped_root
from fmbench_lib.errors import InputError, RunStateError
from fmbench_lib.surroundings import look_around
from fmbench_lib.workspace import Workspace, create_workspace, runs_of, write_text

ARGUMENTS_VARIABLE = "FMBENCH_ARGUMENTS"  # how `-A` reaches the notebooks' kernels: it may hold secrets
RESULTS_VARIABLE = "FMBENCH_RESULTS_DIR"
_PACKAGES = ("numpy", "pandas", "pyarrow", "papermill", "tokenizers", "xllamacpp", "ipykernel")
_FINISHED = ("finished",)


@dataclass(frozen=True, slots=True)
class Run:
    """A config and the directory its results go to."""

    loaded: LoadedConfig
    workspace: Workspace
    redactor: Redactor = field(default_factory=Redactor, repr=False)

    @property
    def config(self) -> Config:
        return self.loaded.config

    @property
    def seed(self) -> int:
        return self.config.general.seed

    def begin_step(self, step: str) -> None:
        """Take note in `run.json` that a step is under way."""
        started = datetime.now(UTC).isoformat()
        self.workspace.update_run(steps={step: {"status": "running", "started": started}})
        self.workspace.log_event("step started", step=step)

    def end_step(self, step: str, status: str, started: float, ended: float, **facts: Any) -> None:
        """Take note of a step's outcome; times are Unix seconds."""
        entry = {
            "status": status,
            "started": datetime.fromtimestamp(started, UTC).isoformat(),
            "duration_s": round(ended - started, 3),
            **facts,
        }
        run = self.workspace.update_run(steps={step: entry})
        done = {name for name, state in run["steps"].items() if state["status"] == "done"}
        if {name for name, on in self.config.run_steps.items() if on} <= done:
            self.workspace.update_run(status="finished")
        self.workspace.log_event("step ended", step=step, status=status, **facts)


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
    config_file: str | Path, arguments: Mapping[str, str], standard: Mapping[str, str] | None
) -> tuple[LoadedConfig, dict[str, str]]:
    """A config with the standard placeholders that are given or known here, and these.

    Values that nobody gave are noticed, with where they are from.
    """
    around = look_around([_asked(find_config(config_file)), *arguments.values()], {**(standard or {}), **arguments})
    known = {**(standard or {}), **around.values}
    loaded = load_config(config_file, arguments=arguments, standard=known)
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
) -> Run:
    """Make a new run directory for a config. Raises ConfigError when the config is wrong; then nothing is made."""
    given = given_arguments(arguments)
    loaded, known = load_here(config_file, given, standard)
    config = loaded.config
    redactor = redactor_for(config, given)
    workspace = replace(create_workspace(results or default_results(), config.general.name), redact=redactor)
    write_text(workspace.config_copy, yaml.safe_dump(redacted(config), sort_keys=False, allow_unicode=True))
    workspace.note(
        workspace.run_file,
        {
            "run_id": workspace.run_id,
            "name": config.general.name,
            "status": "running",
            "config_file": str(loaded.path),
            "config_sha256": config_hash(loaded),
            "arguments": {
                key: value for key, value in given.items() if not is_secret(key) and redactor(value) == value
            },
            "standard": known,
            "seed": config.general.seed,
            "created": datetime.now(UTC).isoformat(),
            "versions": _versions(),
            "host": host_facts(),
            "notices": [str(notice) for notice in loaded.notices],
            "steps": {},
        },
    )
    workspace.log_event("run created", config_file=str(loaded.path))
    return Run(loaded, workspace, redactor)


def open_run(config_file: str | Path, run_dir: str | Path = "", arguments: Mapping[str, str] | None = None) -> Run:
    """Open a run that exists: the one in `run_dir`, or with none given the newest unfinished one of this config, or
    else its newest finished one.

    Raises RunStateError when there is none, or when the config is not the one that the run was made from.
    """
    if run_dir:
        return reopen_run(Path(run_dir), arguments, config_file)
    loaded = load_config(config_file, arguments=given_arguments(arguments))
    runs = [(one, one.read_run()) for one in runs_of(default_results(), loaded.config.general.name)]
    found = [(one, state) for one, state in runs if state["config_file"] == str(loaded.path)]
    # Notebook jobs get a copy of the config each, in a folder of its own.
    found = found or [(one, state) for one, state in runs if _made_from_copy(state, loaded.path, arguments)]
    if not found:
        raise RunStateError(
            f"there is no run of {config_file} below {default_results()}: run the notebook 0_setup first, "
            f"give run_dir, or say in {RESULTS_VARIABLE} where runs are kept"
        )
    unfinished = [workspace for workspace, state in found if state["status"] not in _FINISHED]
    return reopen_run((unfinished or [found[0][0]])[0].path, arguments, config_file)


def _made_from_copy(state: Mapping[str, Any], path: Path, arguments: Mapping[str, str] | None) -> bool:
    """Whether a run was made from a file of this name and content."""
    return Path(state["config_file"]).name == path.name and _same(path, state, arguments) is not None


def _same(path: str | Path, state: Mapping[str, Any], arguments: Mapping[str, str] | None) -> LoadedConfig | None:
    """The config at `path` with the values that the run was given; None where the run was made from another."""
    given = {**state["arguments"], **given_arguments(arguments)}
    loaded = load_config(path, arguments=given, standard=state["standard"])
    return loaded if config_hash(loaded) == state["config_sha256"] else None


def reopen_run(run_dir: Path, arguments: Mapping[str, str] | None = None, config_file: str | Path | None = None) -> Run:
    """Open the run in `run_dir` with the config it was made from.

    Secrets are not kept in a run: `arguments` or the environment bring again what had been given by `-A`. Raises
    RunStateError when the config has changed since, or `config_file` names another.
    """
    workspace = Workspace(run_dir.resolve())
    state = workspace.read_run()
    given = {**state["arguments"], **given_arguments(arguments)}
    loaded = None
    if config_file is not None:
        loaded = _same(config_file, state, arguments)  # a copy beside the notebook, where the first one may be gone
        if loaded is None and str(find_config(config_file)) != state["config_file"]:
            raise RunStateError(f"{run_dir} is a run of {state['config_file']}, not of {config_file}")
    loaded = loaded or _same(state["config_file"], state, arguments)
    if loaded is None:
        raise RunStateError(
            f"{state['config_file']} has changed since run {workspace.run_id} was made from it: "
            f"restore it, or start a new run"
        )
    redactor = redactor_for(loaded.config, given)
    return Run(loaded, replace(workspace, redact=redactor), redactor)


def open_for_reading(run_dir: Path, arguments: Mapping[str, str] | None = None) -> Run:
    """Open a run to report on it: with its own copy of the config where the original is gone or has changed."""
    try:
        return reopen_run(run_dir, arguments)
    except InputError:
        workspace = Workspace(run_dir.resolve())
        workspace.read_run()
        loaded = load_config(workspace.config_copy)
        redactor = redactor_for(loaded.config, given_arguments(arguments))
        return Run(loaded, replace(workspace, redact=redactor), redactor)


def _versions() -> dict[str, str]:
    versions = {"fmbench": __version__, "python": host_platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def host_facts() -> dict[str, Any]:
    """What the measuring machine is: nothing that names its user or its address."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{host_platform.system()} {host_platform.release()}",
        "machine": host_platform.machine(),
        "processor": _processor(),
        "cores": cores,
        "memory_gib": memory,
        "executable": Path(sys.executable).name,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return host_platform.processor()
