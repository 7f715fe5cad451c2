"""FMBench 2.x's spellings of `run_steps` and its script names, in present terms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fmbench_lib.config.platforms import DEPLOYMENT_SCRIPTS, INFERENCE_SCRIPTS
from fmbench_lib.config.problems import alternatives, joined, shown
from fmbench_lib.config.reading.keys import NEAR, Findings, Raw
from fmbench_lib.config.schema.config import STEPS
from fmbench_lib.config.spelling import nearest

EVALUATIONS = "get_evaluations"
_STEP_OF = {step.split("_", 1)[1]: step for step in STEPS}
_SCRIPTS = (("deployment_script", DEPLOYMENT_SCRIPTS), ("inference_script", INFERENCE_SCRIPTS))
_TRUTH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def run_steps(raw: Any, findings: Findings) -> tuple[dict[str, bool] | None, bool | None]:
    """The six steps in the file's order, each on or off, and whether evaluations are on (None: not given).

    Accepts `4_model_metric_analysis`, `4_model_metric_analysis.ipynb` and the numbering of configs with seven steps,
    `5_model_metric_analysis.ipynb`. A step that is left out runs, except in a list of notebooks (`.ipynb`): FMBench 2.x
    ran only those listed.
    """
    if raw is None:
        return None, None
    if not isinstance(raw, dict):
        findings.problem("run_steps", f"is {shown(raw)}; write one `step: yes` or `step: no` line for each step")
        return None, None
    steps: dict[str, bool] = {}
    evaluations: bool | None = None
    for key, value in raw.items():
        name = _step_name(key, findings)
        switch = _yes_or_no(value, joined("run_steps", key), findings)
        if name == EVALUATIONS:
            evaluations = switch
        elif name is not None:
            if _STEP_OF[name] in steps:
                findings.notice(joined("run_steps", key), "this step is given twice; the last one is used")
            steps[_STEP_OF[name]] = switch
    notebooks = any(key.endswith(".ipynb") for key in raw)
    return _completed(steps, missing=not notebooks, findings=findings), evaluations


def _completed(steps: dict[str, bool], *, missing: bool, findings: Findings) -> dict[str, bool]:
    """All six steps: the given ones in their order, each missing one before the first given step that follows it."""
    complete = list(steps)
    for index, step in enumerate(STEPS):
        if step in steps:
            continue
        later = [complete.index(other) for other in STEPS[index + 1 :] if other in complete]
        complete.insert(min(later, default=len(complete)), step)
        if not missing:
            findings.notice("run_steps", f"{step} is not listed and does not run")
    return {step: steps.get(step, missing) for step in complete}


def bare_step(key: str) -> str:
    """A step's name without its number and ending, which configs spell in several ways."""
    return re.sub(r"^\d+_", "", key.removesuffix(".ipynb"))


def _step_name(key: str, findings: Findings) -> str | None:
    name = bare_step(key)
    known = [*_STEP_OF, EVALUATIONS]
    if name in known:
        return name
    close = nearest(name, known)
    meant = f"did you mean {_STEP_OF.get(close, '4_' + close)}?" if close else f"write {alternatives(STEPS)}"
    findings.problem(joined("run_steps", key), f"unknown step; {meant}")
    return close


def _yes_or_no(value: Any, path: str, findings: Findings) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    findings.problem(path, f"is {shown(value)}; write yes or no")
    return True


def user_scripts(experiment: Raw, listed: Iterable[Any]) -> frozenset[str]:
    """Which of `deployment_script` and `inference_script` name a user script.

    That is a name listed in `s3_read_data.script_files`, a path that begins with `/`, `./`, `../` or `s3://`, or any
    other Python file whose name is not close to that of a known script.
    """
    return frozenset(key for key, known in _SCRIPTS if _is_users(experiment.get(key), known, list(listed)))


def _is_users(name: Any, known: Iterable[str], listed: list[Any]) -> bool:
    if not isinstance(name, str):
        return False
    if name in listed or name.startswith(("/", "./", "../", "~", "s3://", "http://", "https://")):
        return True
    file = name.rsplit("/", 1)[-1]
    return file.endswith(".py") and nearest(file, known, within=NEAR) is None


def check_scripts(experiment: Raw, users: Iterable[str], path: str, findings: Findings) -> bool:
    """Whether every script name is known, `.py` or not; reports those that are not.

    Names in `experiment` are replaced by those of known scripts, misspelt ones by the nearest.
    """
    all_known = True
    for key, known in _SCRIPTS:
        name = experiment.get(key)
        if not isinstance(name, str):
            continue
        if key in users:
            _check_user_script(name, joined(path, key), findings)
            continue
        script = name.strip().rsplit("/", 1)[-1]
        script = script if script.endswith(".py") else f"{script}.py"
        experiment[key] = script
        if script not in known:
            close = nearest(script, known)
            meant = f"did you mean {close}?" if close else "write platform and protocol instead of script names"
            findings.problem(joined(path, key), f"{shown(name)} is not a known script; {meant}")
            experiment[key] = close or script
            all_known = all_known and close is not None
    return all_known


def _check_user_script(name: str, path: str, findings: Findings) -> None:
    if name.startswith(("http://", "https://")):
        findings.problem(path, "scripts are not run from web addresses; download it and write its path")
    elif not name.endswith(".py"):
        findings.problem(path, f"is {shown(name)}; write the path of a Python file, ./my_script.py")
