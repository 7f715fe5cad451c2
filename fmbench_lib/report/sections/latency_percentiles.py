"""Latency, TTFT, TPOT and ITL of the dataset that the decision is about."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.decision.transaction_size import generate_nothing
from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.groups.contents import remarks_of
from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.metrics.repeated_levels import once_each
from fmbench_lib.report.level_order import Rows, dataset_name, names_in, of_payload
from fmbench_lib.report.level_texts import estimate_of, time_of
from fmbench_lib.report.markdown import APPENDIX_LINK, Blocks, code, frame, sentence_list, text_frame
from fmbench_lib.report.numbers import count, seconds, several
from fmbench_lib.report.report_data import ReportInputs

_LATENCY = (
    "from when a request is due. TPOT divides by the tokens that were seen; ITL is the gap between two reads that "
    "brought content. ≈ marks a percentile with too few values behind it for a 95% confidence interval (the median "
    f"needs 6, p95 72, p99 368). Means, n and intervals of all of them are in the {APPENDIX_LINK}."
)
_LATENCY_ALONE = (
    "from when a request is due. ≈ marks a percentile with too few values behind it for a 95% confidence interval (the "
    "median needs 6, p95 72, p99 368)."
)
_OF_STREAMS = {"TTFT_p50": "TTFT p50", "TTFT_p95": "TTFT p95", "TPOT_p50": "TPOT p50", "ITL_p95": "ITL p95"}
_MOST = 20
_NOT_STREAMED = (
    "No response was streamed, so there is no TTFT, TPOT or ITL. Set `stream: true` in the `inference_spec` of the "
    "experiment to get them."
)
_NOT_PRINTED = "The imported files have no TTFT, TPOT or ITL."
_NOTHING_GENERATED = "Nothing was generated, as these endpoints embed or rank texts: there is no TTFT, TPOT or ITL."
_IGNORED = (
    "Streaming was asked for, and the server of {} answered whole all the same, so there is no TTFT, TPOT or ITL."
)
_KINDS = "Latency, Time To First Token (TTFT), Time Per Output Token (TPOT) and Inter-Token Latency (ITL)"
MEASURES = (
    ("latency", "latency"),
    ("TTFT", "TTFT"),
    ("TTFT_answer", "TTFT of the answer"),
    ("TPOT", "TPOT"),
    ("ITL", "ITL"),
)


def section(inputs: ReportInputs) -> Blocks:
    """Latency, TTFT, TPOT and ITL of the dataset of interest: the table, and the picture if anything streamed."""
    payload = inputs.decision.payload_file
    heading = "### Latency metrics analysis"
    shown = overview_table(inputs.summary, payload)
    if shown.empty:
        why = "No request of this dataset succeeded" if payload else "No level was measured"
        return [heading, f"_{why}, so there is no latency to show._"]
    levels = of_payload(rows_of(inputs.summary), payload)
    nothing = generate_nothing(levels)
    kinds = "Latency" if nothing else _KINDS
    intro = f"{kinds} for the {code(dataset_name(payload))} dataset, {_LATENCY_ALONE if nothing else _LATENCY}"
    absent = f"_{_NOTHING_GENERATED}_" if nothing else _absent_times(levels)
    right = [name for name in shown.columns if name not in ("experiment", "load")]
    explained = f"{intro} {_measured_once(inputs)}".rstrip()
    return [heading, explained, absent, frame(shown, to_the_right=right, most=_MOST)]


def appendix(inputs: ReportInputs) -> Blocks:
    """Every statistic of every time, with its interval, a table for each dataset."""
    blocks = ["## Latency, TTFT, TPOT and ITL of every level"]
    for payload in names_in(rows_of(inputs.summary), "payload_file"):
        shown = latency_table(inputs.summary, payload)
        if not shown.empty:
            right = ["n", "mean", *(name for name in shown.columns if "CI" in name)]
            blocks += [f"Dataset {code(dataset_name(payload))}:", frame(shown, to_the_right=right)]
    return blocks if len(blocks) > 1 else []


def overview_table(summary: pd.DataFrame, payload_file: str | None) -> pd.DataFrame:
    """A row for each level of a payload file with a success: n, percentiles of latency, and p50 and p95 of the times of
    a stream, without those that no level has."""
    rows = [row for row in of_payload(rows_of(summary), payload_file) if number(row, "latency_n")]
    streamed = [family for family in ("TTFT", "TPOT", "ITL") if any(number(row, f"{family}_n") for row in rows)]
    return text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "load": load_label(row),
            "n": count(row["latency_n"]),
            "latency p50": time_of(row, "latency_p50"),
            "p95 (95% CI)": estimate_of(row, "latency_p95"),
            **{name: time_of(row, column) for column, name in _OF_STREAMS.items() if column.split("_")[0] in streamed},
        }
        for row in rows
    )


def _measured_once(inputs: ReportInputs) -> str:
    """What the interval of a level that was not repeated leaves out; empty where every level was."""
    levels = rows_of(once_each(inputs.summary, inputs.repeated))
    once = sum((number(row, "repeats") or 1) == 1 for row in levels)
    if not once:
        return ""
    which = "Every level was" if once == len(levels) else f"{several(once, 'level')} {'was' if once == 1 else 'were'}"
    speaks = "such an interval speaks of one sequence of arrivals on one day of the endpoint"
    return f"{which} measured once: {speaks}. `load.repeats` measures what differs from one time to the next."


def _absent_times(rows: Rows) -> str:
    """Why some levels have no TTFT, TPOT or ITL; empty where all have."""
    unstreamed = [row for row in rows if number(row, "successes") and not _is_known(row, "TTFT")]
    if any(text(row, "imported_from") for row in rows):
        return "" if any(_is_known(row, "TTFT") for row in rows) else f"_{_NOT_PRINTED}_"
    if not unstreamed:
        return ""
    ignored = [row for row in unstreamed if remarks_of(row).get("not_streamed")]
    if ignored and len(ignored) == len(unstreamed):
        return f"_{_IGNORED.format(sentence_list([code(name) for name in names_in(ignored)]))}_"
    if not any(number(row, "TTFT_n") for row in rows):
        return f"_{_NOT_STREAMED}_"
    names = sentence_list([code(name) for name in names_in(unstreamed)])
    return f"_Responses of {names} were not streamed, so they have no TTFT, TPOT and ITL (`stream: true` gives them)._"


def latency_table(summary: pd.DataFrame, payload_file: str | None) -> pd.DataFrame:
    """Latency, TTFT, TPOT and ITL of the levels of a payload file: n, mean, and percentiles with confidence intervals.

    Times that a level does not have are left out. TTFT of the answer is shown only where reasoning makes it differ.
    """
    rows = []
    for row in of_payload(rows_of(summary), payload_file):
        for family, name in MEASURES:
            if not _is_known(row, family) or (family == "TTFT_answer" and _same_as_first(row)):
                continue
            figures = {f"{q} (95% CI)": estimate_of(row, f"{family}_{q}") for q in ("p50", "p95", "p99")}
            known = {"experiment": str(row["experiment_name"]), "load": load_label(row), "measure": name}
            rows.append({**known, "n": count(row[f"{family}_n"]), "mean": seconds(row[f"{family}_mean"]), **figures})
    return text_frame(rows)


def _is_known(row: Row, family: str) -> bool:
    """Whether a level has such times: of its requests, or as another tool printed them."""
    if number(row, f"{family}_n"):
        return True
    printed = (number(row, f"{family}_{statistic}") for statistic in ("mean", "p50", "p95", "p99"))
    return text(row, "imported_from") is not None and any(value is not None for value in printed)


def _same_as_first(row: Row) -> bool:
    return number(row, "TTFT_answer_mean") == number(row, "TTFT_mean")
