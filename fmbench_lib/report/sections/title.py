"""The heading, the version, and what a reader must know before anything else."""

from __future__ import annotations

from fmbench_lib.report.markdown import Blocks, code, escape, table
from fmbench_lib.report.numbers import dollars, moment, several
from fmbench_lib.report.report_data import ReportInputs


def section(inputs: ReportInputs) -> Blocks:
    """The title, the version table, and alerts: endpoints that still cost money, failures, invalid levels."""
    run = inputs.run
    heading = inputs.options.title or f"Results for performance benchmarking {run.model_name}"
    version = [moment(run.written_at), escape(run.fmbench_version)]
    alerts = "\n>\n".join(f"> {alert}" for alert in _alerts(inputs))
    return [f"# {escape(heading)}", table(["**Last modified (UTC)**", "**FMBench version**"], [version]), alerts]


def _alerts(inputs: ReportInputs) -> Blocks:
    alerts = []
    for endpoint in inputs.standing:
        price = "at an unknown price" if endpoint.hourly is None else f"{dollars(endpoint.hourly)} per hour"
        name, command = escape(endpoint.experiment_name), code(endpoint.command)
        alerts.append(f"**Still costs money:** {name} is still running, {price}. Delete it with {command}.")
    alerts += [f"**Step {escape(step)} failed:** {escape(why)}" for step, why in inputs.run.steps_failed.items()]
    alerts += [
        f"**Not measured:** {escape(failure.experiment_name)} ({code(failure.reason)})"
        for failure in inputs.failed_deployments
    ]
    invalid = int((inputs.summary["verdict"] == "invalid").sum())
    if invalid:
        levels = f"{several(invalid, 'level')} of {len(inputs.summary)} {'is' if invalid == 1 else 'are'} invalid"
        alerts.append(f"**{levels}:** see [how good this measurement was](#how-good-this-measurement-was).")
    return alerts
