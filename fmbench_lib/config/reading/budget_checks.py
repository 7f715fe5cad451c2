"""The budgets of a config from the places where they may stand, and whether there is anything to judge them by."""

from __future__ import annotations

from fmbench_lib.config.problems import joined, shown
from fmbench_lib.config.reading.keys import Findings
from fmbench_lib.config.schema.budget_limits import NEED_ANSWERS_JUDGED, NEED_OBJECTIVES
from fmbench_lib.config.schema.config import Config


def with_budgets(config: Config, findings: Findings) -> Config:
    """The config with all limits by measure in `report.budgets`; contradictions and what cannot be judged are reported.

    The limits of its own top-level key `budgets` become those of `report`.
    """
    report = config.report
    for name, limit in config.budgets.items():
        other = report.budgets.get(name, limit)
        if other != limit:
            problem = f"is {shown(limit)}, but report.budgets.{name} is {shown(other)}; keep one of the two"
            findings.problem(joined("budgets", name), problem)
    report = report.model_copy(update={"budgets": {**config.budgets, **report.budgets}})
    config = config.model_copy(update={"report": report})
    for name, (key, limit, other) in report.contradictions.items():
        problem = f"is {shown(limit)}, but report.{key} is {shown(other)}; keep one of the two"
        findings.problem(_place(config, name), problem)
    _check_objectives(config, findings)
    _check_quality(config, findings)
    return config


def _place(config: Config, name: str) -> str:
    """The path under which a limit was given."""
    return joined("budgets" if name in config.budgets else "report.budgets", name)


def _check_objectives(config: Config, findings: Findings) -> None:
    slo = config.slo
    if (slo.ttft, slo.tpot, slo.latency) != (None, None, None):
        return
    keys = [_place(config, name) for name in NEED_OBJECTIVES if name in config.report.budgets]
    if config.report.slo_attainment_budget is not None:
        keys.insert(0, "report.slo_attainment_budget")
    for key in keys:
        findings.problem(key, "needs objectives; write `slo: {ttft: 0.5, latency: 10}`")


def _check_quality(config: Config, findings: Findings) -> None:
    """Say that a budget of answers is not judged where nobody evaluates them."""
    if config.evaluation is not None or config.model_evaluations is not None:
        return
    for name in NEED_ANSWERS_JUDGED:
        if name in config.report.budgets:
            findings.notice(
                _place(config, name), "is not judged: nobody evaluates the answers; write an `evaluation` section"
            )
