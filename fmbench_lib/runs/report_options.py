"""How a measured run is reported: by its own config, and by the report's options as they have been corrected since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib.config import LoadedConfig, load_config
from fmbench_lib.config.problems import ConfigError, Notice, Problem
from fmbench_lib.config.reading.loading import parse_config

_OPTIONS = ("report", "metrics", "slo", "pricing", "model_evaluations", "evaluation")
"""Sections that only the analysis reads."""
_AS_THEY_ARE = ("report", "metrics", "model_evaluations", "evaluation", "run_evaluations")
"""Those of them that are read from the original config."""


def as_measured(copy: Path, original: Path, arguments: Mapping[str, str], standard: Mapping[str, str]) -> LoadedConfig:
    """The config in a run, with `report`, `metrics` and `evaluation` of the original as it is now.

    An option in the run's own config that cannot be used (any more) is left out: a run that was measured can always be
    reported. Raises ConfigError where the rest of it cannot be read.
    """
    loaded = _readable(copy)
    try:
        corrected = load_config(original, arguments=arguments, standard=standard).config
    except ConfigError:
        return loaded
    current = {name: getattr(corrected, name) for name in _AS_THEY_ARE}
    if all(getattr(loaded.config, name) == value for name, value in current.items()):
        return loaded
    config = loaded.config.model_copy(update=current)
    folder = original.resolve().parent  # of the files that these sections name
    notice = Notice("report", f"read from {original} as it is now; everything else is what the run was made from")
    return replace(loaded, config=config, folder=folder, notices=(*loaded.notices, notice))


def _readable(copy: Path) -> LoadedConfig:
    """The config in a run, without the options that cannot be used."""
    try:
        return load_config(copy)
    except ConfigError as error:
        wrong = [problem for problem in error.problems if problem.key.split(".")[0].split("[")[0] in _OPTIONS]
        if len(wrong) < len(error.problems):
            raise
        return _without(copy, wrong)


def _without(copy: Path, wrong: list[Problem]) -> LoadedConfig:
    content: dict[str, Any] = yaml.safe_load(copy.read_text(encoding="utf-8"))
    for problem in wrong:
        _leave_out(content, problem.key.split("[")[0].split("."))
    loaded = parse_config(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), path=copy)
    notices = (Notice(problem.key, f"left out, as it cannot be used: it {problem.message}") for problem in wrong)
    return replace(loaded, notices=(*loaded.notices, *notices))


def _leave_out(content: dict[str, Any], keys: list[str]) -> None:
    """Leave out a key, or what is above it where that is not a section."""
    for key in keys[:-1]:
        inner = content.get(key)
        if not isinstance(inner, dict):
            content.pop(key, None)
            return
        content = inner
    content.pop(keys[-1], None)
