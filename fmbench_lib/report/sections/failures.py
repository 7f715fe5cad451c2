"""Levels that miss a budget, experiments and levels that failed, and errors."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

import pandas as pd

from fmbench_lib.config.budget_measures import BY_COLUMN
from fmbench_lib.metrics.decision.budgets import Budgets, Judgement, judge, name_of, unit_of
from fmbench_lib.metrics.decision.intervals import PERCENTILES
from fmbench_lib.metrics.decision.wording import budgets_text, in_unit
from fmbench_lib.metrics.groups.counts import errors_by_class, first_messages
from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.report.figures.style import short_name
from fmbench_lib.report.level_order import in_order
from fmbench_lib.report.level_texts import estimate_of, level_names
from fmbench_lib.report.markdown import (
    Blocks,
    bold,
    bullets,
    code,
    escape,
    frame,
    one_line,
    sentence_list,
    table,
    text_frame,
)
from fmbench_lib.report.numbers import MISSING, amount, count, percent, seconds, several, significant
from fmbench_lib.report.report_data import FailedDeployment, FailedLevel, ReportInputs
from fmbench_lib.report.sections.remedies import remedy_of_budget, remedy_of_errors

FAILS = "✗"
"""The mark behind a figure that misses its budget."""

_MOST = 12
"""Rows of a table of failures; the appendix has all."""
_MOST_NAMES = 3
_SAID = ("requests", "levels", "experiments", "first message")
_TEXTS = ("experiment", "dataset", "load", "misses by")
_ALWAYS_SHOWN = ("error_rate", "latency_p95", "price_per_10k_txn")
"""Columns of the levels that miss a budget, beside those of the budgets."""


def section(inputs: ReportInputs) -> Blocks:
    """What kinds of failures there are, then each kind: budgets missed, deployments and levels that failed, errors."""
    blocks = ["### Failed experiments", _kinds(inputs), *_missed(inputs)]
    deployments = failed_deployments_table(inputs.failed_deployments)
    if len(deployments):
        intro = f"{several(len(deployments), 'experiment')} could not be measured at all:"
        blocks += [intro, frame(deployments, as_code=["reason"])]
    levels = failed_levels_table(inputs.failed_levels)
    if len(levels):
        intro = f"{several(len(levels), 'level')} failed and left no records (they are measured by {_resume(inputs)}):"
        blocks += [intro, frame(levels, as_code=["reason"])]
    return [*blocks, *_errors(inputs)]


def appendix(inputs: ReportInputs) -> Blocks:
    """Every level that misses a budget, and every level with errors."""
    missed = missed_table(judgements(inputs.summary, inputs.decision.budgets))
    errors = errors_table(inputs.summary)
    blocks = []
    if len(missed):
        right = [name for name in missed.columns if name not in _TEXTS]
        blocks += ["## Levels over a budget", frame(missed, to_the_right=right)]
    if len(errors):
        blocks += ["## Levels with errors", frame(errors, to_the_right=["requests", "errors", "error rate"])]
        blocks += ["The first message of each class:", frame(messages_table(inputs.summary), to_the_right=["requests"])]
    return blocks


def _kinds(inputs: ReportInputs) -> str:
    """Which kinds of failures there are, in a sentence."""
    judged = judgements(inputs.summary, inputs.decision.budgets)
    over = sum(not one.meets_budgets for one in judged)
    errors = sum(bool(number(one.row, "errors")) for one in judged)
    deployments, levels = len(inputs.failed_deployments), len(inputs.failed_levels)
    kinds = [
        f"{several(over, 'level')} over budget" if over else "",
        f"{several(errors, 'level')} with errors" if errors else "",
        f"{several(deployments, 'experiment')} not deployed" if deployments else "",
        f"{several(levels, 'level')} not measured" if levels else "",
    ]
    found = sentence_list([kind for kind in kinds if kind])
    if found:
        return f"{bold(found)}, of {several(len(judged) + levels, 'level')}."
    return "Nothing failed: no experiment, no level, no request." if judged else "_No level was measured._"


def _errors(inputs: ReportInputs) -> Blocks:
    """A row for each class of errors: how many, what was said, and where to look."""
    if inputs.summary.empty:
        return []
    shown = classes_table(inputs.summary)
    if shown.empty:
        return ["No request failed."]
    having = sum(bool(number(row, "errors")) for row in rows_of(inputs.summary))
    intro = f"{several(having, 'level')} of {len(inputs.summary)} had errors, by class:"
    rows = [
        [code(row["error"]), *(escape(row[name]) for name in _SAID), remedy_of_errors(row["error"])]
        for row in shown.to_dict("records")
    ]
    return [intro, table(["error", *_SAID, "look at"], rows, [1, 2])]


def classes_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Each class of errors: how many requests failed so, at how many levels, of which experiments, and the first
    message of it."""
    rows = in_order(rows_of(summary))
    having: dict[str, int] = {}
    for row in rows:
        for name in errors_by_class(row):
            having[name] = having.get(name, 0) + 1
    said = first_messages(rows)
    return text_frame(
        {
            "error": name,
            "requests": count(sum(one.requests for one in said if one.error == name)),
            "levels": count(levels),
            "experiments": _experiments([one.experiment_name for one in said if one.error == name]),
            "first message": one_line(next((one.message for one in said if one.error == name), ""), longest=200),
        }
        for name, levels in having.items()
    )


def _experiments(names: Sequence[str]) -> str:
    more = [f"{len(names) - _MOST_NAMES} more"] if len(names) > _MOST_NAMES else []
    return sentence_list([*(short_name(name, 30) for name in names[:_MOST_NAMES]), *more])


def _resume(inputs: ReportInputs) -> str:
    return code(f"fmbench --resume {shlex.quote(inputs.run.run_dir)}")


def _missed(inputs: ReportInputs) -> Blocks:
    limits = budgets_text(inputs.decision.budgets)
    judged = judgements(inputs.summary, inputs.decision.budgets)
    if not limits:
        return ["No budget was set, so no level can miss one."]
    decided = inputs.decision.payload_file
    missed = missed_table(sorted(judged, key=lambda one: one.row["payload_file"] != decided))
    if missed.empty:
        return [f"Every level ({len(judged)}) meets the budgets: {escape(limits)}."] if judged else []
    first = " The dataset of the decision comes first." if missed["dataset"].nunique() > 1 else ""
    intro = f"Budgets: {escape(limits)}. Figures that miss one are bold and marked {FAILS}.{first}"
    shown = missed.drop(columns="misses by")  # the bold figures and their budget say it
    right = [name for name in shown.columns if name not in _TEXTS]
    return [intro, bullets(_by_budget(judged)), frame(shown, to_the_right=right, most=_MOST)]


def _by_budget(judged: Iterable[Judgement]) -> list[str]:
    """A line for each budget: how many levels miss it, and the change that mends it."""
    missing: dict[str, list[Row]] = {}
    for judgement in judged:
        for outcome in judgement.missed:
            missing.setdefault(outcome.column, []).append(judgement.row)
    return [
        f"{name_of(column)}, {several(len(rows), 'level')}: {remedy_of_budget(column, rows)}"
        for column, rows in missing.items()
    ]


def missed_table(judged: Iterable[Judgement]) -> pd.DataFrame:
    """The levels that miss a budget or lack the figure it is about; each such figure ends in `FAILS`."""
    rows = []
    for judgement in judged:
        if judgement.meets_budgets:
            continue
        failing = {outcome.column for outcome in judgement.missed}
        row = judgement.row
        columns = dict.fromkeys([*_ALWAYS_SHOWN, *(outcome.column for outcome in judgement.outcomes)])
        marked = {
            _heading(column): f"{_figure(row, column)} {FAILS}" if column in failing else _figure(row, column)
            for column in columns
        }
        rows.append({**level_names(row), **marked, "misses by": "; ".join(_misses(judgement))})
    return text_frame(rows)


def _heading(column: str) -> str:
    if column == "price_per_10k_txn":
        return "USD per 10,000 txn"
    if unit_of(column) == "cost":
        return f"USD per {BY_COLUMN[column].per}"
    return f"{name_of(column)} (95% CI)" if column.endswith(PERCENTILES) else name_of(column)


def _figure(row: Row, column: str) -> str:
    unit = unit_of(column)
    if unit == "time":
        return seconds(row.get(column)) if column.endswith("_mean") else estimate_of(row, column)
    if unit in ("rate", "energy", "score"):
        return significant(row.get(column))
    return amount(row.get(column)) if unit == "cost" else percent(row.get(column))


def _misses(judgement: Judgement) -> list[str]:
    misses = []
    for outcome in judgement.missed:
        if outcome.value is None:
            misses.append(f"{outcome.name} unknown")
        elif unit_of(outcome.column) == "share":
            misses.append(f"{outcome.name} {significant(100 * outcome.over, 2)} points")
        else:
            misses.append(f"{outcome.name} {in_unit(outcome.column, outcome.over)}")
    return misses


def judgements(summary: pd.DataFrame, budgets: Budgets) -> list[Judgement]:
    """All levels, in order, each compared with the budgets."""
    return [judge(row, budgets) for row in in_order(rows_of(summary))]


def errors_table(summary: pd.DataFrame) -> pd.DataFrame:
    """The levels that had errors, with how many of each class."""
    rows = []
    for row in in_order(rows_of(summary)):
        if number(row, "errors"):
            classes = ", ".join(f"{name}: {times:,}" for name, times in sorted(errors_by_class(row).items()))
            figures = {
                "requests": count(row["requests"]),
                "errors": count(row["errors"]),
                "error rate": percent(row["error_rate"]),
            }
            rows.append({**level_names(row), **figures, "by class": classes})
    return text_frame(rows)


def messages_table(summary: pd.DataFrame) -> pd.DataFrame:
    """The first message of each class of errors of each experiment, with how many requests failed so."""
    return text_frame(
        {
            "experiment": said.experiment_name,
            "error": said.error,
            "requests": count(said.requests),
            "first message": one_line(said.message, longest=200),
        }
        for said in first_messages(in_order(rows_of(summary)))
    )


def failed_deployments_table(failed: Iterable[FailedDeployment]) -> pd.DataFrame:
    """The experiments that were not measured, and why."""
    return text_frame(
        {
            "experiment": failure.experiment_name,
            "instance": failure.instance_type or MISSING,
            "reason": failure.reason,
        }
        for failure in failed
    )


def failed_levels_table(failed: Iterable[FailedLevel]) -> pd.DataFrame:
    """The levels whose measurement failed, and why."""
    return text_frame(
        {
            "experiment": failure.experiment_name,
            "dataset": failure.payload_file,
            "load": failure.load,
            "reason": failure.error,
        }
        for failure in failed
    )
