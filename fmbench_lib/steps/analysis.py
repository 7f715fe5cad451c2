"""4_model_metric_analysis: from records to tables, figures, the decision and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fmbench_lib.host.atomic_files import replacing, write_json, write_text
from fmbench_lib.metrics import tables
from fmbench_lib.metrics.groups.counts import first_messages
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.document import render_markdown
from fmbench_lib.report.figures.draw import draw_figures
from fmbench_lib.report.markdown import one_line
from fmbench_lib.report.numbers import several
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.summary import summary_document
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.endpoint_metrics import collect_cloudwatch
from fmbench_lib.steps.inputs import objectives_of
from fmbench_lib.steps.levels import run_levels
from fmbench_lib.steps.report_inputs import Analysis, analysis_of, costs_table, report_inputs
from fmbench_lib.steps.run_prices import look_up_prices
from fmbench_lib.steps.step import step
from fmbench_lib.workspace import LevelKey


@step("4_model_metric_analysis")
def analyze(run: Run) -> pd.DataFrame:
    """Analyse all records and write tables, figures, report and summary; returns one row per level."""
    look_up_prices(run)
    collect_cloudwatch(run)
    return write_analysis(run)


def write_analysis(run: Run) -> pd.DataFrame:
    """Write tables, figures, report and summary outside a step of the pipeline; returns one row per level."""
    analysis = analysis_of(run)
    _write_tables(run, analysis)
    inputs = report_inputs(run, analysis)
    draw_figures(inputs, run.workspace.figures)
    _write_documents(run, inputs)
    return analysis.summary


def write_report(run: Run) -> None:
    """Write costs, report and summary again, as after cleanup; the figures stay as they are."""
    analysis = analysis_of(run)
    _write_csv(run, "endpoint_per_instance_per_run_costs.csv", costs_table(run, analysis))
    _write_documents(run, report_inputs(run, analysis))


# -- what is written -------------------------------------------------------------------------------------------------


def _write_tables(run: Run, analysis: Analysis) -> None:
    summary, eligible, decision = analysis.summary, analysis.eligible, analysis.decision
    frames = {
        "all_metrics.csv": tables.slices_frame(analysis.levels, analysis.prices, objectives_of(run.config)),
        "all_metrics_summary.csv": summary,
        "per_inference_request_results.csv": analysis.requests,
        "error_rates.csv": tables.error_rates(summary),
        "experiment_counts.csv": tables.experiment_counts(summary),
        "summary_metrics_w_pricing.csv": tables.summary_with_pricing(eligible, decision),
        "summary_metrics_for_dataset_best_option.csv": tables.best_option(eligible, decision),
        "summary_metrics_for_dataset_best_option_each_instance_type.csv": tables.best_option_each_instance_type(
            eligible, decision
        ),
        "endpoint_per_instance_per_run_costs.csv": costs_table(run, analysis),
        "endpoint_metrics.csv": analysis.endpoint.samples,
        "endpoint_metrics_summarized.csv": analysis.endpoint.summary,
    }
    for name, frame in frames.items():
        _write_csv(run, name, frame)


def _write_csv(run: Run, name: str, frame: pd.DataFrame) -> None:
    with replacing(run.workspace.metrics(name)) as part:
        frame.to_csv(part, index=False)


def _write_documents(run: Run, inputs: ReportInputs) -> None:
    write_text(run.workspace.report_file, render_markdown(inputs))
    missing, invalid = _missing_lines(run, inputs), _invalid_lines(inputs)
    attention = [*missing, *invalid, *_error_lines(inputs)]
    standing = {"all_well": not missing and not invalid, "all_measured": not missing, "attention": attention}
    document = summary_document(inputs) | standing
    write_json(run.workspace.summary_file, document)


def _missing_lines(run: Run, inputs: ReportInputs) -> list[str]:
    """What a completed run has not measured, one line each."""
    failed_levels = run.workspace.failed_levels()
    deployments = inputs.failed_deployments
    lines = [f"{failure.experiment_name} was not deployed: {failure.reason}" for failure in deployments]
    lines += [f"{_level_name(failure)} was not measured: {failure['error']}" for failure in failed_levels]
    named = {failure.experiment_name for failure in deployments} | {_level_name(failure) for failure in failed_levels}
    for level in run_levels(run):
        name = " · ".join(level.key)
        if not named & {level.experiment.name, name} and not run.workspace.level(level.key).exists():
            lines.append(f"{name} was not measured")
    return lines


def _invalid_lines(inputs: ReportInputs) -> list[str]:
    """The invalid levels, one line each."""
    invalid = (row for row in rows_of(inputs.summary) if row["verdict"] == "invalid")
    return [f"{_level_name(row)} is invalid: {row['verdict_reasons']}" for row in invalid]


def _error_lines(inputs: ReportInputs) -> list[str]:
    """What was said of the requests that failed, one line for each experiment and class of errors."""
    return [
        f"{said.experiment_name}: {several(said.requests, 'request')} failed ({said.error}), "
        f"the first: {one_line(said.message)}"
        for said in first_messages(rows_of(inputs.summary))
    ]


def _level_name(row: Mapping[str, Any]) -> str:
    return " · ".join(str(row[name]) for name in LevelKey._fields)
