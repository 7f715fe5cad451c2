"""What is said of evaluations that a config asks for in part: judges without the step, or the step without judges."""

from __future__ import annotations

from fmbench_lib.config.reading.keys import Findings


def notice_evaluations(section: str | None, step: bool | None, findings: Findings) -> None:
    """Say what comes of a section with judges, by its key, and of the step 4_get_evaluations (None: not in the config)
    where one of the two is missing. The plan says what will be asked, and what it costs."""
    if section is None and step:
        findings.notice("run_steps.4_get_evaluations", "answers are not evaluated: there is no section evaluation")
    elif section is not None and step is False:
        findings.notice(section, "is not used, as run_steps switches 4_get_evaluations off")
