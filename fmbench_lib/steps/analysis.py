"""4_model_metric_analysis: from records to tables, figures, the decision and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from fmbench_lib.host.atomic_files import each_text, replacing, write_json, write_text
from fmbench_lib.host.csv_files import write_csv
from fmbench_lib.metrics import tables
from fmbench_lib.metrics.fmbench2_scores import scores_frame
from fmbench_lib.metrics.groups.counts import first_messages
from fmbench_lib.metrics.measuring_again import AGAIN, RUN_DIR, all_again, command_again, counting
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.metrics.reasons import REASON_SEPARATOR, reasons_of, told_once, without_numbers
from fmbench_lib.report.document import render_appendix, render_markdown
from fmbench_lib.report.figures.draw import draw_figures
from fmbench_lib.report.markdown import one_line
from fmbench_lib.report.numbers import several
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.summary import Standing, SummaryFile, summary_document
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.evaluation import evaluate_if_asked
from fmbench_lib.steps.judging.disagreements import write_disagreements
from fmbench_lib.steps.judging.evaluation_remarks import evaluation_remarks, evaluation_was_made, keep_remarks
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.measuring.endpoint_metrics import collect_cloudwatch
from fmbench_lib.steps.reporting.report_inputs import Analysis, analysis_of, costs_table, report_inputs
from fmbench_lib.steps.reporting.report_page import write_page
from fmbench_lib.steps.reporting.request_rows import DrawnRequests, request_rows
from fmbench_lib.steps.reporting.request_tables import csv_wanted, request_tables
from fmbench_lib.steps.run_inputs.levels import run_levels
from fmbench_lib.steps.run_inputs.run_prices import look_up_prices
from fmbench_lib.steps.step import step
from fmbench_lib.workspace import LevelKey

_COSTS = "endpoint_per_instance_per_run_costs.csv"
_REQUESTS = "per_inference_request_results.csv"


@step("4_model_metric_analysis")
def analyze(run: Run) -> pd.DataFrame:
    """Analyse all records and write tables, figures, report, page and summary; returns one row per level."""
    look_up_prices(run)
    collect_cloudwatch(run)
    evaluated = Losses()
    with evaluated.of("the evaluation of the answers"):
        evaluate_if_asked(run)
    if evaluated.lines:
        keep_remarks(run, evaluated.lines, made=False)
    return write_analysis(run)


def write_analysis(run: Run) -> pd.DataFrame:
    """Write tables, figures, report, page and summary outside a step of the pipeline; returns one row per level."""
    losses = Losses()
    analysis = analysis_of(run, losses)
    _write_tables(run, analysis, losses)
    drawn = _write_requests(run, analysis, losses)
    with losses.of(run.workspace.disagreements.name):
        write_disagreements(run)
    inputs = report_inputs(run, analysis, losses, drawn)
    shown = replace(inputs, summary=counting(inputs.summary), requests=counting(inputs.requests))
    draw_figures(shown, run.workspace.figures, losses.note)
    write_page(run, shown, [each.level for each in analysis.levels], losses)
    _write_documents(run, inputs, losses)
    return analysis.summary


def write_report(run: Run) -> None:
    """Write costs, report, page and summary again, as after cleanup; the figures stay as they are."""
    losses = Losses()
    analysis = analysis_of(run, losses)
    with losses.of(_COSTS):
        _write_csv(run, _COSTS, costs_table(run, analysis))
    inputs = report_inputs(run, analysis, losses)
    drawn = replace(inputs, summary=counting(inputs.summary), requests=counting(inputs.requests))
    write_page(run, drawn, [each.level for each in analysis.levels], losses)
    _write_documents(run, inputs, losses)


# -- what is written -------------------------------------------------------------------------------------------------


def _write_tables(run: Run, analysis: Analysis, losses: Losses) -> None:
    summary, eligible, decision = analysis.summary, analysis.eligible, analysis.decision
    frames: dict[str, Callable[[], pd.DataFrame]] = {
        "all_metrics.csv": lambda: tables.slices_of_rows(row for each in analysis.levels for row in each.slices),
        "all_metrics_summary.csv": lambda: summary,
        "error_rates.csv": lambda: tables.error_rates(summary),
        "experiment_counts.csv": lambda: tables.experiment_counts(summary),
        "summary_metrics_w_pricing.csv": lambda: tables.summary_with_pricing(eligible, decision),
        "summary_metrics_for_dataset_w_scores.csv": lambda: scores_frame(decision),
        "summary_metrics_for_dataset_best_option.csv": lambda: tables.best_option(eligible, decision),
        "summary_metrics_for_dataset_best_option_each_instance_type.csv": lambda: tables.best_option_each_instance_type(
            analysis.rated, decision
        )[[*eligible.columns, "within_budgets"]],
        _COSTS: lambda: costs_table(run, analysis),
        "endpoint_metrics.csv": lambda: analysis.endpoint.samples,
        "endpoint_metrics_summarized.csv": lambda: analysis.endpoint.summary,
    }
    if not analysis.quality.empty:
        frames["quality_and_cost.csv"] = lambda: analysis.quality
    if not analysis.imported.empty:
        frames["imported_figures.csv"] = lambda: analysis.imported
    for name, texts in (("embedding_levels.csv", analysis.texts), ("retrieval_quality.csv", analysis.retrieval)):
        if not texts.empty:
            frames[name] = texts.copy
    if not analysis.repeated.empty:
        frames["repeated_levels.csv"] = lambda: analysis.repeated
    for name, frame in frames.items():
        with losses.of(name):
            _write_csv(run, name, frame())


def _write_requests(run: Run, analysis: Analysis, losses: Losses) -> DrawnRequests | None:
    """Write one row per request, as Parquet and, if the config or their number says so, as CSV; returns those that are
    drawn, None where the tables could not be written."""
    csv = run.workspace.metrics(_REQUESTS)
    with_csv = csv_wanted(run.config.report.per_request_csv, analysis.requests)
    if not with_csv:
        csv.unlink(missing_ok=True)  # one of an earlier analysis

    def written() -> DrawnRequests:
        with request_tables(csv.with_suffix(".parquet"), csv if with_csv else None) as tables:
            return request_rows(run, analysis.levels, losses, tables)

    return losses.made(_REQUESTS, written, lambda: None)


def _write_csv(run: Run, name: str, frame: pd.DataFrame) -> None:
    with replacing(run.workspace.metrics(name)) as part:
        write_csv(frame, part)


def _write_documents(run: Run, inputs: ReportInputs, losses: Losses) -> None:
    inputs = replace(inputs, notices=[*inputs.notices, *losses.lines])
    write_text(run.workspace.report_file, run.redactor.in_content(render_markdown(inputs)))
    write_text(run.workspace.appendix_file, run.redactor.in_content(render_appendix(inputs)))
    missing, invalid = _missing_lines(run, inputs), invalid_lines(inputs.summary, inputs.run.run_dir)
    attention = [*missing, *invalid, *_error_lines(inputs), *evaluation_remarks(run), *losses.lines]
    standing: Standing = {
        "all_well": not missing and not invalid,
        "all_measured": not missing,
        "all_evaluated": evaluation_was_made(run),
        "attention": attention,
    }
    document: SummaryFile = {**summary_document(inputs), **standing}
    write_json(run.workspace.summary_file, each_text(document, run.redactor.in_content))


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


def invalid_lines(summary: pd.DataFrame, run_dir: str = RUN_DIR) -> list[str]:
    """The invalid levels, one line for all that are so for the same reasons, with the range of their numbers and the
    command that measures them again."""
    alike: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
    for row in rows_of(counting(summary)):
        if row["verdict"] == "invalid":
            told = (reason for reason in reasons_of(row["verdict_reasons"]) if not reason.startswith(AGAIN))
            reasons = REASON_SEPARATOR.join(told)
            alike.setdefault(without_numbers(reasons), []).append((row, reasons))
    return [_invalid_line(found, run_dir) for found in alike.values()]


def _invalid_line(found: Sequence[tuple[Mapping[str, Any], str]], run_dir: str) -> str:
    rows = [row for row, _ in found]
    names = f"{', '.join(map(_level_name, rows))} {'is' if len(rows) == 1 else 'are'} invalid"
    if rows[0].get("imported_from"):
        return f"{names}: {told_once([reasons for _, reasons in found])}"
    command = command_again(rows[0], run_dir) if len(rows) == 1 else all_again("invalid", run_dir)
    return f"{names}: {told_once([reasons for _, reasons in found])}{REASON_SEPARATOR}{AGAIN}{command}"


def _error_lines(inputs: ReportInputs) -> list[str]:
    """What was said of the requests that failed, one line for each experiment and class of errors."""
    return [
        f"{said.experiment_name}: {several(said.requests, 'request')} failed ({said.error}), "
        f"the first: {one_line(said.message)}"
        for said in first_messages(rows_of(counting(inputs.summary)))
    ]


def _level_name(row: Mapping[str, Any]) -> str:
    return " · ".join(str(row[name]) for name in LevelKey._fields)
