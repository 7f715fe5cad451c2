"""The resolved config, without its secrets."""

from __future__ import annotations

from fmbench_lib.report.markdown import Blocks, fence
from fmbench_lib.report.report_data import ReportInputs


def section(inputs: ReportInputs) -> Blocks:
    """The resolved config as a block of YAML, its secrets removed."""
    return ["## Configuration file", fence(inputs.config_yaml or "# not available", "yaml")]
