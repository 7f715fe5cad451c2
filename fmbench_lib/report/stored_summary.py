"""`summary.json` of a finished run, read back: checked before anything relies on its shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fmbench_lib.errors import RunStateError
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.workspace import Workspace

_FIGURES = [column.name for column in SUMMARY if column.kind in ("number", "whole number")]


def read_summary(workspace: Workspace, called: str) -> dict[str, Any]:
    """The summary of the run that the user calls `called`. Raises RunStateError where it is not analysed yet, or its
    summary is damaged."""
    path, remedy = workspace.summary_file, f"run `fmbench report {called}`"
    if not path.exists():
        raise RunStateError(f"{called} is not analysed yet: {remedy} first")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        _check(summary)
    except (ValueError, OSError, RecursionError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RunStateError(f"cannot read {path}: {said}: {remedy} to write it again") from error
    return dict(summary)


def _check(summary: Any) -> None:
    """Raise ValueError for what is not the summary of a run."""
    if not isinstance(summary, Mapping):
        raise ValueError("it holds no keys")
    for name in ("run", "decision"):
        if not isinstance(summary.get(name), Mapping):
            raise ValueError(f"its `{name}` is not a mapping")
    if not isinstance(summary["run"].get("name"), str):
        raise ValueError("its `run` has no name")
    levels = summary.get("levels")
    if not isinstance(levels, list) or not all(isinstance(level, Mapping) for level in levels):
        raise ValueError("its `levels` is not a list of levels")
    for level in levels:
        _check_figures(level)


def _check_figures(level: Mapping[str, Any]) -> None:
    """Raise ValueError for a level without a name, or with a figure that is a list or a mapping."""
    for name in ("experiment_name", "payload_file", "load"):
        if not isinstance(level.get(name), str):
            raise ValueError(f"a level has no {name}")
    for name in _FIGURES:
        if isinstance(level.get(name), list | dict):
            raise ValueError(f"{name} of a level is no number")
