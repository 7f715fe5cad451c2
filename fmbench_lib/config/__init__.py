"""Configs: what they may say, how they are read, and every mistake in them as one clear line.

The names below are imported when they are first used: whoever needs `fmbench_lib.config.platforms` alone, such as a
server process, does not import the schema and pydantic with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fmbench_lib.config.problems import ConfigError, Notice, Problem
    from fmbench_lib.config.reading.loading import Checked, LoadedConfig, load_config, parse_config, validate_paths
    from fmbench_lib.config.redaction import redacted
    from fmbench_lib.config.schema.config import STEPS, Config
    from fmbench_lib.config.schema.experiment import Experiment
    from fmbench_lib.config.schema.platform_sections import LocalSection
    from fmbench_lib.config.schema.sections import Filter
    from fmbench_lib.config.schema.stop_rule import StopRule
    from fmbench_lib.config.shipped.files import resolve_file, shipped_configs, shipped_path

_MODULES = {
    "problems": ("ConfigError", "Notice", "Problem"),
    "reading.loading": ("Checked", "LoadedConfig", "load_config", "parse_config", "validate_paths"),
    "redaction": ("redacted",),
    "schema.config": ("STEPS", "Config"),
    "schema.experiment": ("Experiment",),
    "schema.platform_sections": ("LocalSection",),
    "schema.sections": ("Filter",),
    "schema.stop_rule": ("StopRule",),
    "shipped.files": ("resolve_file", "shipped_configs", "shipped_path"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "STEPS",
    "Checked",
    "Config",
    "ConfigError",
    "Experiment",
    "Filter",
    "LoadedConfig",
    "LocalSection",
    "Notice",
    "Problem",
    "StopRule",
    "load_config",
    "parse_config",
    "redacted",
    "resolve_file",
    "shipped_configs",
    "shipped_path",
    "validate_paths",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
