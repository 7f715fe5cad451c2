"""Model evaluations: how good the answers are, how sure that is, and what it cost to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fmbench_lib.metrics.missing import number
from fmbench_lib.report import evaluation_files as files
from fmbench_lib.report.figures import draw
from fmbench_lib.report.figures.quality_trade import SIDES, Side
from fmbench_lib.report.markdown import Blocks, code, escape, frame, text_frame
from fmbench_lib.report.numbers import percent, significant
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.sections.judge_panel import (
    cost_blocks,
    count_cell,
    interval_cell,
    panel_blocks,
    preference_blocks,
    rubric_blocks,
    table_rows,
)

_TREND = 0.05


def section(inputs: ReportInputs) -> Blocks:
    """The evaluation's tables; a sentence where none was asked for, or the run has no result of it."""
    heading, evaluations, tables = "### Model evaluations", inputs.run.evaluations, inputs.evaluation
    if not tables:
        if evaluations:
            return [heading, f"{code(evaluations)} asks for model evaluations, but this run has none."]
        return [heading, "No model evaluation was asked for (`evaluation` in the config), so none was made."]
    return [
        heading,
        *_accuracy(inputs),
        *_comparisons(tables),
        *_trades(inputs),
        *panel_blocks(inputs),
        *rubric_blocks(tables),
        *preference_blocks(tables),
        *_scores(tables),
        *cost_blocks(tables),
    ]


def _accuracy(inputs: ReportInputs) -> Blocks:
    tables = inputs.evaluation
    rows = table_rows(tables, files.PER_PAYLOAD)
    if not rows:
        return ["No judge was asked about correctness: there is no accuracy.", *_kinds(tables)]
    shown = text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "dataset": str(row["payload_file"]),
            "accuracy": percent(row["accuracy"]),
            "95% CI": interval_cell(row, "accuracy"),
            **{
                name.replace("_", " "): count_cell(row[name])
                for name in ("questions", "correct", "incorrect", "ties", "no_verdict")
            },
        }
        for row in rows
    )
    intro = (
        "An answer is correct where more than half of the panel says so. Ties and answers without a verdict count as "
        "questions, not as correct. Intervals are Wilson's."
    )
    picture = f"![Accuracy by model]({inputs.figures}/{draw.ACCURACY_BY_MODEL})"
    table = frame(shown, to_the_right=list(shown.columns)[2:])
    return [intro, table, picture, *_kinds(tables), *_lengths(inputs), *_loads(tables)]


def _lengths(inputs: ReportInputs) -> Blocks:
    if inputs.evaluated(files.PER_LENGTH).empty:
        return [_NO_LENGTHS]
    return [f"![Accuracy against the length of prompts]({inputs.figures}/{draw.ACCURACY_BY_LENGTH})"]


_NO_LENGTHS = (
    "Accuracy is not drawn against the length of prompts: that needs at least 12 questions that were judged, with "
    "prompts of several lengths."
)


def _trades(inputs: ReportInputs) -> Blocks:
    """Quality against cost and latency; a sentence for what cannot be drawn."""
    drawn, blocks = draw.quality_trades(inputs), []
    for name, side in SIDES.items():
        if name in drawn:
            blocks.append(f"![{trade_title(side)}]({inputs.figures}/{name}.png)")
        elif drawn or not inputs.quality.empty:
            blocks.append(f"{trade_title(side)} is not drawn: no level of the dataset has both.")
    if not blocks:
        blocks.append("Quality is not drawn against cost and latency: no level of the dataset has a quality.")
    return blocks


def trade_title(side: Side) -> str:
    """The title of a picture of quality: what it is set against."""
    return f"Quality against {side.title}"


def _kinds(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    rows = table_rows(tables, files.KINDS)
    names = ("answer", "refusal", "empty", "truncated", "failed")
    shown = text_frame(
        {"experiment": str(row["experiment_name"]), **{name: count_cell(row[name]) for name in names}} for row in rows
    )
    return [] if shown.empty else ["Requests by kind of answer:", frame(shown, to_the_right=names)]


def _loads(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    """Whether accuracy rises or falls with the load."""
    found: dict[tuple[str, str], Any] = {}
    for row in table_rows(tables, files.PER_LOAD):
        if number(row, "trend_p") is not None:
            found.setdefault((str(row["experiment_name"]), str(row["payload_file"])), row)
    lines = [
        f"{escape(experiment)}, {escape(payload)}: {_trend(row)} (p = {significant(row['trend_p'])})."
        for (experiment, payload), row in found.items()
    ]
    test = "By the Cochran-Armitage test, stratified by question: "
    return ["Does load change quality? " + test + " ".join(lines)] if lines else []


def _trend(row: Mapping[str, Any]) -> str:
    if float(row["trend_p"]) >= _TREND:
        return "no trend of accuracy with the load is shown"
    return "accuracy falls with the load" if float(row["trend_z"]) < 0 else "accuracy rises with the load"


def _comparisons(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    shown = text_frame(
        {
            "models": f"{row['first']} and {row['second']}",
            "questions": count_cell(row["questions"]),
            "only the first is right": count_cell(row["first_only"]),
            "only the second": count_cell(row["second_only"]),
            "p (McNemar, Holm)": significant(row["p_value_holm"]),
            "more questions to settle it": count_cell(row.get("more_questions_to_settle")),
        }
        for row in table_rows(tables, files.COMPARISONS)
    )
    return [] if shown.empty else ["On the same questions:", frame(shown, to_the_right=list(shown.columns)[1:])]


_NO_SIMILARITY = (
    "No cosine similarity was computed: it needs `embeddings` in the evaluation, with an endpoint of its own or the "
    "package sentence-transformers on this machine."
)


def _scores(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    rows = table_rows(tables, files.QUANTITATIVE)
    shown = text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "dataset": str(row["payload_file"]),
            "score": str(row["score"]).replace("_", " "),
            "against": str(row["against"]),
            "mean": significant(row["mean"]),
            "95% CI": interval_cell(row, "mean", share=False),
            "answers": count_cell(row["answers"]),
        }
        for row in rows
    )
    if shown.empty:
        return []
    similar = any(row["score"] == "cosine_similarity" and number(row, "mean") is not None for row in rows)
    table = frame(shown, to_the_right=("mean", "95% CI", "answers"))
    return ["Scores without a judge:", table, *([] if similar else [_NO_SIMILARITY])]
