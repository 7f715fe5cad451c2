"""What is sent to a machine: its part of the config with the files that it names, the prompts, fmbench, two scripts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib import __version__
from fmbench_lib.config import Experiment, redacted
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.config.schema.config import STEPS
from fmbench_lib.config.secret_forms import REMOVED
from fmbench_lib.config.shipped.files import shipped_root
from fmbench_lib.errors import InputError
from fmbench_lib.fleet.machine_task import (
    CONFIG,
    MEASURE,
    PACKAGE,
    RESULTS,
    SETUP,
    FleetSettings,
    Machine,
    measure_script,
    setup_script,
    task_of,
)
from fmbench_lib.host.atomic_files import each_text, write_json, write_text
from fmbench_lib.host.paths import expanded
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.fleet.machine_output import newest_run
from fmbench_lib.workspace import MachineFiles, Workspace, path_part

SEED_RUN = "00000000-000000Z"
"""The id of the run that holds the prompts on a machine: older than any other."""

_FILES = "files"
_NAMING_FILES = frozenset((
    "ca_bundle", "chat_template", "deployment_script", "hf_tokenizer_model_id", "inference_script", "model_id",
    "pricing", "protocol", "tokenizer", "tokenizer_prefix", "trace",
))  # fmt: skip
"""Keys whose value may be the path of a file or folder that the machine needs."""
_NOT_THERE = ("evaluation", "model_evaluations", "report", "budgets")
"""Sections that only the analysis reads, which is made here."""
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "results", "tests", "docs", "benchmarks", "build")


def write_machine_files(run: Run, machine: Machine, cluster: str, settings: FleetSettings) -> MachineFiles:
    """Write a machine's task file and the folder that is sent to it, in place of earlier ones.

    What an earlier machine has brought back of the same experiments goes with it, so that the run there is continued.
    Raises InputError for a secret in the config that no environment variable holds.
    """
    files = run.workspace.machine(machine.name)
    shutil.rmtree(files.input, ignore_errors=True)
    files.input.mkdir(parents=True)
    write_text(files.input / CONFIG, _yaml(_config_of(run, machine, files.input)))
    _write_prompts(run, files.input)
    unfinished = _write_unfinished(run, files)
    write_text(files.input / SETUP, setup_script(_requirement(run, machine, settings, files.input)))
    write_text(files.input / MEASURE, measure_script(unfinished))
    write_text(files.task, _yaml(task_of(machine, cluster, str(files.input), settings)))
    return files


def experiments_of(run: Run, machine: Machine) -> list[Experiment]:
    """The experiments of a machine."""
    return [experiment for experiment in run.config.experiments if experiment.name in machine.experiments]


def _yaml(content: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)


def _config_of(run: Run, machine: Machine, folder: Path) -> dict[str, Any]:
    """The resolved config with this machine's experiments, which measures and leaves the analysis to this run."""
    config = each_text(redacted(run.config), run.redactor.in_content)
    config["experiments"] = [one for one in config["experiments"] if one["name"] in machine.experiments]
    config["run_steps"] = {step: run.config.run_steps.get(step, True) for step in STEPS} | {
        "1_generate_data": False,
        "4_model_metric_analysis": False,
        "5_cleanup": True,
    }
    for name in _NOT_THERE:
        config.pop(name, None)
    aws = {**config.get("aws", {}), "price_lookup": False, "s3_and_or_local_file_system": "local"}
    config["aws"] = {name: value for name, value in aws.items() if value is not None}
    for name in ("experiments", "inference_parameters"):
        if REMOVED in yaml.safe_dump(config.get(name)):
            raise InputError(
                f"{name} of {', '.join(machine.experiments)}: a secret in the config is not sent to a machine in a "
                "file; put it in an environment variable (api_key_env, HF_TOKEN)"
            )
    with_files: dict[str, Any] = _with_files(config, partial(_sent_file, run, folder))
    return with_files


def _with_files(value: Any, sent: Callable[[str], str], key: str = "") -> Any:
    """The config with the paths of files replaced by those that they have on the machine."""
    if isinstance(value, dict):
        return {name: _with_files(item, sent, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_files(item, sent) for item in value]
    return sent(value) if isinstance(value, str) and value and key in _NAMING_FILES else value


def _sent_file(run: Run, folder: Path, name: str) -> str:
    """Where a file or folder is on the machine; the name as it is where there is no such file here."""
    path = expanded(name)
    prefixes = ("", run.config.s3_read_data.scripts_prefix, run.config.s3_read_data.configs_prefix)
    places = [path] if path.is_absolute() else [one / part / path for one in run.loaded.folders for part in prefixes]
    found = next((place for place in places if place.exists()), None)
    if found is None or name.strip("./") == "":
        return name
    target = folder / _FILES / found.name
    number = 1
    while target.exists() and target.read_bytes() != found.read_bytes() if found.is_file() else target.exists():
        number += 1
        target = folder / _FILES / f"{number}-{found.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    if found.is_dir():
        shutil.copytree(found, target, ignore=_LEFT_OUT)
    else:
        shutil.copy2(found, target)
    return target.relative_to(folder).as_posix()


def _write_prompts(run: Run, folder: Path) -> None:
    """The payload files as those of an earlier run, so that every machine sends the same prompts."""
    seed = Workspace(folder / RESULTS / path_part(run.config.general.name) / SEED_RUN)
    shutil.copytree(run.workspace.prompts, seed.prompts)
    write_json(seed.run_file, {**run.workspace.read_run(), "run_id": SEED_RUN, "status": "finished", "steps": {}})


def _write_unfinished(run: Run, files: MachineFiles) -> str | None:
    """The run that an earlier machine has brought back, `name/id` in the folder of runs; None where there is none."""
    earlier = newest_run(files.output)
    if earlier is None:
        return None
    place = f"{earlier.path.parent.name}/{earlier.run_id}"
    shutil.copytree(earlier.path, files.input / RESULTS / place)
    return place


def check_install(settings: FleetSettings) -> None:
    """Raise InputError where what machines are to install is the path of nothing: each would cost money to find out."""
    given = settings.install or ""
    is_path = given.startswith((".", "/", "~")) or given.endswith(".whl")
    if is_path and "://" not in given and not expanded(given).exists():
        raise InputError(f"--install {given}: there is no such wheel or checkout")


def _requirement(run: Run, machine: Machine, settings: FleetSettings, folder: Path) -> str:
    """What pip is to install on a machine: a checkout or wheel is sent there."""
    names = {platform_facts(experiment.platform).extra for experiment in experiments_of(run, machine)}
    extras = f"[{','.join(sorted(filter(None, names)))}]" if any(names) else ""
    given = settings.install
    if given is None and (shipped_root() / "pyproject.toml").exists():
        given = str(shipped_root())
    if given is None:
        return f"fmbench-lib{extras}=={__version__}"
    path = expanded(given)
    if not path.exists():
        return given
    target = folder / PACKAGE / path.name
    if path.is_dir():
        shutil.copytree(path, target, ignore=_LEFT_OUT)
    else:
        target.parent.mkdir(parents=True)
        shutil.copy2(path, target)
    return f"./{target.relative_to(folder).as_posix()}{extras}"
