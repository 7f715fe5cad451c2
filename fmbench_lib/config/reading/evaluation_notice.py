"""What is said of the evaluations of a config: that answers are judged, or why not."""

from __future__ import annotations

from fmbench_lib.config.reading.keys import Findings


def notice_evaluations(section: str | None, step: bool | None, findings: Findings) -> None:
    """Say what comes of FMBench 2.x's key of judges, and of a section with judges, by its key, or the step
    4_get_evaluations (None: not in the config) where the other is missing. The plan says who is asked, and the cost."""
    if section is None and step:
        findings.notice("run_steps.4_get_evaluations", "answers are not evaluated: there is no section evaluation")
    elif section is not None and step is False:
        findings.notice(section, "is not used, as run_steps switches 4_get_evaluations off")
    elif section == "model_evaluations":
        findings.notice(section, "its judges judge the answers after the measurement; `fmbench plan` shows the cost")
