"""What was delivered within the objectives of single requests."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.missing import number, rows_of
from fmbench_lib.report.level_order import in_order
from fmbench_lib.report.level_texts import level_names
from fmbench_lib.report.markdown import Blocks, frame, sentence_list, text_frame
from fmbench_lib.report.numbers import percent, seconds, significant
from fmbench_lib.report.report_data import ReportInputs

_OBJECTIVES = {"ttft": "TTFT", "tpot": "TPOT", "latency": "latency"}


def section(inputs: ReportInputs) -> Blocks:
    """What was delivered within the objectives; nothing where none is set."""
    if not inputs.objectives:
        return []
    heading = "### Goodput"
    objectives = {"TTFT": inputs.objectives.ttft, "TPOT": inputs.objectives.tpot, "latency": inputs.objectives.latency}
    limits = sentence_list([f"{name} ≤ {seconds(limit)}" for name, limit in objectives.items() if limit is not None])
    shown = goodput_table(inputs.summary)
    if shown.empty:
        return [heading, f"_No level shows how many requests were within {limits}._"]
    intro = f"A request counts when it succeeds with {limits}. A failed request meets no objective."
    right = [name for name in shown.columns if name not in ("experiment", "dataset", "load")]
    return [heading, intro, frame(shown, to_the_right=right)]


def goodput_table(summary: pd.DataFrame) -> pd.DataFrame:
    """What each level delivered within the objectives of a single request; empty where there are none."""
    rows = [row for row in in_order(rows_of(summary)) if number(row, "slo_attainment") is not None]
    single = [name for name in _OBJECTIVES if any(number(row, f"slo_attainment_{name}") is not None for row in rows)]
    return text_frame(
        {
            **level_names(row),
            "goodput (requests/s)": significant(row["goodput"]),
            "of throughput": significant(row["transactions_per_second"]),
            "within all": percent(row["slo_attainment"]),
            **{f"within {_OBJECTIVES[name]}": percent(row[f"slo_attainment_{name}"]) for name in single},
            "goodput (tokens/s)": significant(row["goodput_tokens"]),
            "of the tokens": percent(row["slo_token_attainment"]),
        }
        for row in rows
    )
