"""Configs: what they may say, how they are read, and every mistake in them as one clear line."""

from __future__ import annotations

from fmbench_lib.config.checks import matches
from fmbench_lib.config.experiment import Experiment, InferenceSpec, LocalSection
from fmbench_lib.config.loading import Checked, LoadedConfig, load_config, parse_config, validate_paths
from fmbench_lib.config.problems import ConfigError, Notice, Problem
from fmbench_lib.config.redaction import redacted
from fmbench_lib.config.schema import STEPS, Config
from fmbench_lib.config.sections import Filter, LoadSection, ReportSection
from fmbench_lib.config.shipped import resolve_file, shipped_configs, shipped_path
from fmbench_lib.config.stopping import StopRule

__all__ = [
    "STEPS",
    "Checked",
    "Config",
    "ConfigError",
    "Experiment",
    "Filter",
    "InferenceSpec",
    "LoadSection",
    "LoadedConfig",
    "LocalSection",
    "Notice",
    "Problem",
    "ReportSection",
    "StopRule",
    "load_config",
    "matches",
    "parse_config",
    "redacted",
    "resolve_file",
    "shipped_configs",
    "shipped_path",
    "validate_paths",
]
