"""Configs: what they may say, how they are read, and every mistake in them as one clear line."""

from __future__ import annotations

from fmbench_lib.config.problems import ConfigError, Notice, Problem
from fmbench_lib.config.reading.checks import matches
from fmbench_lib.config.reading.loading import Checked, LoadedConfig, load_config, parse_config, validate_paths
from fmbench_lib.config.redaction import redacted
from fmbench_lib.config.schema.config import STEPS, Config
from fmbench_lib.config.schema.experiment import Experiment, InferenceSpec, LocalSection
from fmbench_lib.config.schema.sections import Filter, LoadSection, ReportSection
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.config.shipped.files import resolve_file, shipped_configs, shipped_path

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
