"""What is done about a config's evaluations of models, in the one line that `validate` and `plan` print."""

from __future__ import annotations

from typing import Any

from fmbench_lib.config.reading.keys import Findings

_MEASURED = "the run measures without it, and its report says that no answer was evaluated"


def notice_evaluations(named: Any, step: bool | None, findings: Findings) -> None:
    """Say what comes of `model_evaluations` (`named`) and of the step 4_get_evaluations (None: not in the config)."""
    if named is None and step:
        findings.notice("run_steps.4_get_evaluations", f"answers are not evaluated in this version: {_MEASURED}")
    elif named is not None and step is False:
        findings.notice("model_evaluations", "is not used, as run_steps switches 4_get_evaluations off")
    elif named is not None:
        findings.notice("model_evaluations", f"judges are not asked in this version: {_MEASURED}")
