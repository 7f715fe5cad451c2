"""Model evaluations: whether any was configured."""

from __future__ import annotations

from fmbench_lib.report.markdown import Blocks, code
from fmbench_lib.report.report_data import ReportInputs


def section(inputs: ReportInputs) -> Blocks:
    """One sentence: no evaluation is configured, or one is and the run has no result of it."""
    evaluations = inputs.run.evaluations
    sentence = "No model evaluation was asked for (`model_evaluations` in the config), so none was made."
    if evaluations:
        sentence = f"{code(evaluations)} asks for model evaluations, but this run has none."
    return ["### Model evaluations", sentence]
