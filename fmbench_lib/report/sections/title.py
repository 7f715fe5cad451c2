"""The heading, and what a reader must know before anything else."""

from __future__ import annotations

from fmbench_lib.metrics.measuring_again import counting
from fmbench_lib.report.markdown import Blocks, code, escape
from fmbench_lib.report.numbers import dollars, several
from fmbench_lib.report.report_data import ReportInputs

_MOST_NOT_MEASURED = 3


def section(inputs: ReportInputs) -> Blocks:
    """The title, and alerts: endpoints that still cost money, failures, invalid levels."""
    alerts = "\n>\n".join(f"> {alert}" for alert in _alerts(inputs))
    return [f"# {escape(heading(inputs))}", alerts]


def appendix(inputs: ReportInputs) -> Blocks:
    """The title of the appendix, and where the report is."""
    about = "The tables of the [report](report.md) with every level and every column."
    return [f"# Appendix: {escape(heading(inputs))}", about]


def heading(inputs: ReportInputs) -> str:
    """The title of the report: the config's own, or the model's name in a phrase."""
    return inputs.options.title or f"Results for performance benchmarking {inputs.run.model_name}"


def _alerts(inputs: ReportInputs) -> Blocks:
    alerts = []
    for endpoint in inputs.standing:
        price = "at an unknown price" if endpoint.hourly is None else f"{dollars(endpoint.hourly)} per hour"
        name, command = escape(endpoint.experiment_name), code(endpoint.command)
        alerts.append(f"**Still costs money:** {name} is still running, {price}. Delete it with {command}.")
    alerts += [f"**Step {escape(step)} failed:** {escape(why)}" for step, why in inputs.run.steps_failed.items()]
    failed = inputs.failed_deployments
    alerts += [
        f"**Not measured:** {escape(failure.experiment_name)} ({code(failure.reason)})"
        for failure in failed[:_MOST_NOT_MEASURED]
    ]
    if len(failed) > _MOST_NOT_MEASURED:
        more = several(len(failed) - _MOST_NOT_MEASURED, "more experiment")
        alerts.append(f"**Not measured:** {more}, see [failed experiments](#failed-experiments).")
    counted = counting(inputs.summary)
    invalid = int((counted["verdict"] == "invalid").sum())
    if invalid:
        levels = f"{several(invalid, 'level')} of {len(counted)} {'is' if invalid == 1 else 'are'} invalid"
        alerts.append(f"**{levels}:** see [how good this measurement was](#how-good-this-measurement-was).")
    return alerts
