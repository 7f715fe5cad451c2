"""What judges said: votes, each judge alone, agreement, scores by criterion, preferences, and what that cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fmbench_lib.metrics.missing import number, rows_of, text
from fmbench_lib.report import evaluation_files as files
from fmbench_lib.report.figures import draw
from fmbench_lib.report.figures.judge_agreement import draws_agreement
from fmbench_lib.report.markdown import Blocks, escape, frame, sentence_list, text_frame
from fmbench_lib.report.numbers import MISSING, amount, percent, several, significant
from fmbench_lib.report.report_data import ReportInputs

Tables = Mapping[str, pd.DataFrame]
_LOST = "unanswered_cost_at_most"
"""What requests may have cost whose answers never came."""
_SUMS = ("judgements", "no_verdict", "failed", "retries", "left_out", "prompt_tokens", "completion_tokens")


def panel_blocks(inputs: ReportInputs) -> Blocks:
    """How votes were decided, what each judge says alone, how far they agree, and where they do not."""
    tables = inputs.evaluation
    blocks = [*_votes(tables), *_alone(tables), *_agreement(inputs)]
    if inputs.disagreements is not None and table_rows(tables, files.PER_JUDGE):
        page = f"[{inputs.disagreements}]({inputs.disagreements})"
        blocks.append(f"The answers on which judges disagree, with what each says: {page}.")
    return blocks


def _votes(tables: Tables) -> Blocks:
    shown = text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "decided by": str(row["decided"]),
            "questions": count_cell(row["questions"]),
        }
        for row in table_rows(tables, files.BREAKDOWN)
    )
    return [] if shown.empty else ["How the panel's votes were decided:", frame(shown, to_the_right=("questions",))]


def _alone(tables: Tables) -> Blocks:
    shown = text_frame(
        {
            "judge": str(row["judge"]),
            "experiment": str(row["experiment_name"]),
            "accuracy": percent(row["accuracy"]),
            "95% CI": interval_cell(row, "accuracy"),
            "questions": count_cell(row["questions"]),
            "no verdict": count_cell(row["no_verdict"]),
        }
        for row in table_rows(tables, files.PER_JUDGE)
    )
    if shown.empty or shown["judge"].nunique() < 2:
        return []
    return ["Accuracy as each judge sees it:", frame(shown, to_the_right=list(shown.columns)[2:])]


def _agreement(inputs: ReportInputs) -> Blocks:
    rows = table_rows(inputs.evaluation, files.AGREEMENT)
    shown = text_frame(
        {
            "judges": " and ".join(filter(None, (text(row, "first"), text(row, "second")))),
            "answers": count_cell(row.get("answers")),
            "agree on": _share(row, "agreement"),
            "coefficient": str(row["coefficient"]),
            "value": _figure(row, "value"),
        }
        for row in rows
    )
    if shown.empty:
        return []
    table = frame(shown, to_the_right=("answers", "agree on", "value"))
    picture = f"![Agreement of judges]({inputs.figures}/{draw.AGREEMENT})"
    return ["How far the judges agree:", table, *([picture] if draws_agreement(rows) else [])]


def rubric_blocks(tables: Tables) -> Blocks:
    """The mean scores by criterion, from 1 to 5."""
    shown = text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "criterion": str(row["criterion"]),
            "mean (1 to 5)": significant(row["mean"]),
            "95% CI": interval_cell(row, "mean", share=False),
            "questions": count_cell(row["questions"]),
        }
        for row in table_rows(tables, files.RUBRIC)
    )
    if shown.empty:
        return []
    intro = "Scores by criterion, over questions the mean of the judges' means; intervals are Student's:"
    return [intro, frame(shown, to_the_right=list(shown.columns)[2:])]


def preference_blocks(tables: Tables) -> Blocks:
    """Which of two models the panel prefers."""
    shown = text_frame(
        {
            "first": str(row["first"]),
            "second": str(row["second"]),
            **{name.replace("_", " "): count_cell(row[name]) for name in _PREFERENCES},
            "p (sign test, Holm)": significant(row["p_value_holm"]),
        }
        for row in table_rows(tables, files.PREFERENCES)
    )
    if shown.empty:
        return []
    intro = (
        "Preferences between two models on the same prompt, asked in both orders. A judge that changes its mind with "
        "the order has no preference, which counts as a tie:"
    )
    return [intro, frame(shown, to_the_right=list(shown.columns)[2:])]


_PREFERENCES = ("questions", "first_preferred", "second_preferred", "ties", "no_verdict")


def cost_blocks(tables: Tables) -> Blocks:
    """What each judge was asked, its tokens and its cost, all of them together, and what embeddings took."""
    every = table_rows(tables, files.COSTS)
    rows = [row for row in every if number(row, files.EMBEDDED) is None]
    if not rows:
        return _embedded(every)
    lost = any(_LOST in row and number(row, _LOST) != 0 for row in rows)
    all_of_them = {"judge": "all", **{name: _sum(rows, name) for name in (*_SUMS, "cost", _LOST)}}
    shown = text_frame(
        {
            "judge": str(row["judge"]),
            **{name.replace("_", " "): _thousands(row.get(name)) for name in _SUMS},
            "USD": amount(number(row, "cost")),
            **({"USD at most, without an answer": amount(number(row, _LOST))} if lost else {}),
        }
        for row in (*rows, *([all_of_them] if len(rows) > 1 else []))
    )
    table = frame(shown, to_the_right=list(shown.columns)[1:])
    return ["What each judge was asked, and its cost:", table, *_estimates(rows), *_embedded(every)]


def _estimates(rows: Sequence[Mapping[str, Any]]) -> Blocks:
    """Whose tokens are not the server's count."""
    found = {str(row["judge"]): number(row, "tokens_estimated") for row in rows if "tokens_estimated" in row}
    lines = [f"{count:,.0f} of {escape(judge)}" for judge, count in found.items() if count]
    if not lines:
        return []
    return [f"Servers did not count the tokens of these judgements, which are estimates: {sentence_list(lines)}."]


def _embedded(rows: Sequence[Mapping[str, Any]]) -> Blocks:
    """What embedding texts took; nothing where no endpoint did."""
    lines = []
    for row in rows:
        if (texts := number(row, files.EMBEDDED)) is not None:
            tokens, cost, lost = number(row, "prompt_tokens"), number(row, "cost"), number(row, _LOST)
            counted = "tokens that its server did not count" if tokens is None else f"{tokens:,.0f} tokens"
            priced = "cost unknown" if cost is None else f"{amount(cost)} USD"
            more = "" if lost == 0 else f", and {amount(lost)} USD at most for requests without an answer"
            failed = number(row, "failed")
            without = f"; {several(int(failed), 'text')} could not be embedded" if failed else ""
            lines.append(f"Embeddings of {several(int(texts), 'text')}: {counted}, {priced}{more}{without}.")
    return lines


def _sum(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """The sum over judges; None where one of them lacks it."""
    values = [number(row, name) for row in rows]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


# -- cells -----------------------------------------------------------------------------------------------------------


def table_rows(tables: Tables, name: str) -> list[Any]:
    """The rows of a table, none where it does not exist."""
    return list(rows_of(tables[name])) if name in tables else []


def count_cell(value: Any) -> str:
    """A count."""
    return MISSING if value is None or pd.isna(value) else f"{float(value):.0f}"


def interval_cell(row: Mapping[str, Any], column: str, *, share: bool = True) -> str:
    """The 95% interval of a column, as shares in percent or as numbers."""
    low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
    if low is None or high is None:
        return MISSING
    return f"{percent(low)} to {percent(high)}" if share else f"{significant(low)} to {significant(high)}"


def _thousands(value: Any) -> str:
    return MISSING if value is None or pd.isna(value) else f"{float(value):,.0f}"


def _share(row: Mapping[str, Any], column: str) -> str:
    return MISSING if number(row, column) is None else percent(row[column])


def _figure(row: Mapping[str, Any], column: str) -> str:
    return MISSING if number(row, column) is None else significant(row[column])
