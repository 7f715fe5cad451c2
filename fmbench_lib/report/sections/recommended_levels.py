"""For each payload file and instance type, the level to run."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.decision.wording import budgets_text
from fmbench_lib.metrics.missing import rows_of, text
from fmbench_lib.report.markdown import Blocks, code, escape, frame, sentence_list, text_frame
from fmbench_lib.report.numbers import MISSING
from fmbench_lib.report.report_data import ReportInputs

_MOST = 12
_PER_INSTANCE = (
    "The best way to run each size of prompt on each instance type: within the budgets, the load that completes the "
    "most transactions per minute."
)


def section(inputs: ReportInputs) -> Blocks:
    """The table of recommendations, and where the prompts come from."""
    limits = budgets_text(inputs.decision.budgets)
    shown = recommendations_table(inputs.recommendations)
    heading = "## Per instance results"
    if shown.empty:
        return [heading, "_No level was measured, so nothing can be recommended._"]
    files = sentence_list([code(name) for name in inputs.run.source_data_files])
    shown["recommendation"] = shown["recommendation"].str.replace(f" ({limits})", "", regex=False)  # said once
    within = f" The budgets: {escape(limits)}." if limits else ""
    intro = f"{_PER_INSTANCE}{within}" + (f" The prompts come from {files}." if files else "")
    return [heading, intro, frame(shown, as_code=["dataset", "instance type"], most=_MOST)]


def appendix(inputs: ReportInputs) -> Blocks:
    """The whole table, where the report shows only the first rows."""
    shown = recommendations_table(inputs.recommendations)
    if len(shown) <= _MOST:
        return []
    return ["## Every recommendation", frame(shown, as_code=["dataset", "instance type"])]


def recommendations_table(recommendations: pd.DataFrame) -> pd.DataFrame:
    """For each payload file and instance type the level to run, in words."""
    return text_frame(
        {
            "dataset": str(row["payload_file"]),
            "instance type": text(row, "instance_type") or MISSING,
            "recommendation": str(row["recommendation"]),
        }
        for row in rows_of(recommendations)
    )
