"""What the run cost: measuring, and as it will be billed."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.costs import total
from fmbench_lib.metrics.missing import rows_of, text
from fmbench_lib.report.evaluation_files import COSTS, EMBEDDED
from fmbench_lib.report.markdown import Blocks, code, frame, sentence_list, text_frame
from fmbench_lib.report.numbers import MISSING, amount, dollars, duration, plain
from fmbench_lib.report.report_data import ReportInputs

_COST = (
    "Measuring: the seconds of an experiment's levels, or its tokens where the price is per token. Billed: the whole "
    "time from in service to deleted."
)


def section(inputs: ReportInputs) -> Blocks:
    """What each experiment cost while it was measured, and what will be billed, with the totals."""
    shown = costs_table(inputs.costs)
    blocks = ["### Experiment cost", "#### Model benchmarking cost"]
    if shown.empty:
        blocks.append("_Nothing was measured, so there is no cost of measuring._")
    else:
        totals = [
            _total(inputs, "cost_measuring", "measuring all experiments"),
            _total(inputs, "cost_billed", "the time that is billed"),
        ]
        right = [name for name in shown.columns if name not in ("experiment", "instance", "note")]
        blocks += [" ".join([_COST, *totals]), frame(shown, to_the_right=right)]
    return [*blocks, "#### Model evaluation cost", _evaluations(inputs)]


def _evaluations(inputs: ReportInputs) -> str:
    """What judges cost, and with that the whole run."""
    measuring, judged = total(inputs.costs), inputs.evaluation.get(COSTS)
    said, judging = "No judge was asked, so evaluations cost nothing.", 0.0
    if judged is not None:
        if judged["cost"].isna().any():
            unknown = sentence_list([code(str(name)) for name in judged[judged["cost"].isna()]["judge"]])
            return (
                f"The cost of evaluations is **not known**, as a price or a count of tokens is missing for {unknown}."
            )
        judging = float(judged["cost"].sum())
        who = (
            "The judges and the embeddings cost"
            if judged.get(EMBEDDED, pd.Series()).notna().any()
            else "The judges cost"
        )
        said = f"{who} **{dollars(judging)}**, by their tokens or the time that their answers took."
    if measuring is None:
        return said
    return f"{said} The total cost of benchmarking and evaluations is **{dollars(measuring + judging)}**."


def _total(inputs: ReportInputs, column: str, what: str) -> str:
    sum_of_all = total(inputs.costs, column)
    if sum_of_all is not None:
        return f"The total cost of {what} is **{dollars(sum_of_all)}**."
    unknown = inputs.costs[inputs.costs[column].isna()]["experiment_name"]
    names = sentence_list([code(str(name)) for name in unknown])
    known = inputs.costs[column].dropna()
    others = f" (the others: {dollars(float(known.sum()))})" if len(known) else ""
    return f"The total cost of {what} is **not known**, as that of {names} is not{others}."


def costs_table(costs: pd.DataFrame) -> pd.DataFrame:
    """What each experiment cost: while it was measured, and from in service to deleted, which will be billed."""
    return text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "instance": text(row, "instance_type") or MISSING,
            "count": plain(row["instance_count"] or 1),
            "measuring": duration(row["duration_in_seconds"]),
            "cost of measuring (USD)": amount(row["cost_measuring"]),
            "in service": duration(row["billed_seconds"]),
            "cost billed (USD)": amount(row["cost_billed"]),
            "note": text(row, "note") or MISSING,
        }
        for row in rows_of(costs)
    )
