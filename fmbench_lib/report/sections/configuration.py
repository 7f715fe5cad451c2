"""Where the config is."""

from __future__ import annotations

from fmbench_lib.report.markdown import Blocks, code
from fmbench_lib.report.report_data import ReportInputs


def section(inputs: ReportInputs) -> Blocks:
    """Links to the copy of the config and to its listing in this report."""
    copy = inputs.run.config_copy
    where = f"[{code(copy)}]({copy}) and [below](#configuration-file)"
    return ["### Configuration", f"The configuration of this run is in {where}, without its secrets."]
