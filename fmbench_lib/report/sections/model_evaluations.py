"""Model evaluations: how good the answers are, how sure that is, and what it cost to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from fmbench_lib.metrics.missing import number, rows_of, text
from fmbench_lib.report.markdown import Blocks, code, escape, frame, text_frame
from fmbench_lib.report.numbers import MISSING, percent, significant
from fmbench_lib.report.report_data import ReportInputs

_TREND = 0.05


def section(inputs: ReportInputs) -> Blocks:
    """The evaluation's tables; a sentence where none was asked for, or the run has no result of it."""
    heading, evaluations, tables = "### Model evaluations", inputs.run.evaluations, inputs.evaluation
    if not tables:
        if evaluations:
            return [heading, f"{code(evaluations)} asks for model evaluations, but this run has none."]
        return [heading, "No model evaluation was asked for (`evaluation` in the config), so none was made."]
    blocks = [heading]
    blocks += _accuracy(tables)
    blocks += _judges(tables)
    blocks += _comparisons(tables)
    blocks += _scores(tables)
    return blocks


def _accuracy(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    rows = _rows(tables, "per_payload_model_accuracy_majority_vote.csv")
    if not rows:
        return ["No judge was asked about correctness: there is no accuracy."]
    shown = text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "dataset": str(row["payload_file"]),
            "accuracy": percent(row["accuracy"]),
            "95% CI": _interval(row, "accuracy"),
            **{
                name.replace("_", " "): _count(row[name])
                for name in ("questions", "correct", "incorrect", "ties", "no_verdict")
            },
        }
        for row in rows
    )
    intro = (
        "An answer is correct where more than half of the panel says so. Ties and answers without a verdict count as "
        "questions, not as correct. Intervals are Wilson's."
    )
    return [intro, frame(shown, to_the_right=list(shown.columns)[2:]), *_kinds(tables), *_loads(tables)]


def _kinds(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    rows = _rows(tables, "answer_kinds.csv")
    names = ("answer", "refusal", "empty", "truncated", "failed")
    shown = text_frame(
        {"experiment": str(row["experiment_name"]), **{name: _count(row[name]) for name in names}} for row in rows
    )
    return [] if shown.empty else ["Requests by kind of answer:", frame(shown, to_the_right=names)]


def _loads(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    """Whether accuracy rises or falls with the load."""
    found: dict[tuple[str, str], Any] = {}
    for row in _rows(tables, "accuracy_per_load.csv"):
        if number(row, "trend_p") is not None:
            found.setdefault((str(row["experiment_name"]), str(row["payload_file"])), row)
    lines = [
        f"{escape(experiment)}, {escape(payload)}: {_trend(row)} "
        f"(Cochran-Armitage test, p = {significant(row['trend_p'])})."
        for (experiment, payload), row in found.items()
    ]
    return ["Does load change quality? " + " ".join(lines)] if lines else []


def _trend(row: Mapping[str, Any]) -> str:
    if float(row["trend_p"]) >= _TREND:
        return "no trend of accuracy with the load is shown"
    return "accuracy falls with the load" if float(row["trend_z"]) < 0 else "accuracy rises with the load"


def _judges(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    agreement = text_frame(
        {
            "judges": " and ".join(filter(None, (text(row, "first"), text(row, "second")))),
            "answers": _count(row.get("answers")),
            "agree on": _share(row, "agreement"),
            "coefficient": str(row["coefficient"]),
            "value": _figure(row, "value"),
        }
        for row in _rows(tables, "judge_agreement.csv")
    )
    costs = text_frame(
        {
            "judge": str(row["judge"]),
            **{
                name.replace("_", " "): _count(row[name])
                for name in ("judgements", "no_verdict", "failed", "retries", "left_out")
            },
            "USD": MISSING if number(row, "cost") is None else significant(row["cost"]),
        }
        for row in _rows(tables, "evaluation_costs.csv")
    )
    blocks: Blocks = []
    if not agreement.empty:
        blocks += ["How far the judges agree:", frame(agreement, to_the_right=("answers", "agree on", "value"))]
    if not costs.empty:
        blocks += ["What each judge was asked, and its cost:", frame(costs, to_the_right=list(costs.columns)[1:])]
    return blocks


def _comparisons(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    shown = text_frame(
        {
            "models": f"{row['first']} and {row['second']}",
            "questions": _count(row["questions"]),
            "only the first is right": _count(row["first_only"]),
            "only the second": _count(row["second_only"]),
            "p (McNemar, Holm)": significant(row["p_value_holm"]),
            "more questions to settle it": _count(row.get("more_questions_to_settle")),
        }
        for row in _rows(tables, "model_comparisons.csv")
    )
    return [] if shown.empty else ["On the same questions:", frame(shown, to_the_right=list(shown.columns)[1:])]


_NO_SIMILARITY = (
    "No cosine similarity was computed: it needs `embeddings` in the evaluation, with an endpoint of its own or the "
    "package sentence-transformers on this machine."
)


def _scores(tables: Mapping[str, pd.DataFrame]) -> Blocks:
    rows = _rows(tables, "quantitative_metrics_per_model.csv")
    shown = text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "dataset": str(row["payload_file"]),
            "score": str(row["score"]).replace("_", " "),
            "against": str(row["against"]),
            "mean": significant(row["mean"]),
            "95% CI": _interval(row, "mean", share=False),
            "answers": _count(row["answers"]),
        }
        for row in rows
    )
    if shown.empty:
        return []
    similar = any(row["score"] == "cosine_similarity" and number(row, "mean") is not None for row in rows)
    table = frame(shown, to_the_right=("mean", "95% CI", "answers"))
    return ["Scores without a judge:", table, *([] if similar else [_NO_SIMILARITY])]


def _rows(tables: Mapping[str, pd.DataFrame], name: str) -> list[Any]:
    return list(rows_of(tables[name])) if name in tables else []


def _count(value: Any) -> str:
    return MISSING if value is None or pd.isna(value) else f"{float(value):.0f}"


def _share(row: Mapping[str, Any], column: str) -> str:
    return MISSING if number(row, column) is None else percent(row[column])


def _figure(row: Mapping[str, Any], column: str) -> str:
    return MISSING if number(row, column) is None else significant(row[column])


def _interval(row: Mapping[str, Any], column: str, *, share: bool = True) -> str:
    low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
    if low is None or high is None:
        return MISSING
    return f"{percent(low)} to {percent(high)}" if share else f"{significant(low)} to {significant(high)}"
