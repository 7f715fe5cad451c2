"""The levels that were measured several times, and how far their repeats lie apart."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.report.level_order import in_order
from fmbench_lib.report.level_texts import estimate_of, level_names
from fmbench_lib.report.markdown import Blocks, frame, text_frame
from fmbench_lib.report.numbers import MISSING, amount, seconds, significant
from fmbench_lib.report.report_data import ReportInputs

_ABOUT = (
    "Levels that were measured several times, each time with other arrivals and prompts. Percentiles are over the "
    "requests of all repeats; their intervals hold what differs between repeats as well (Student's t of the repeats' "
    "figures). The decision and the recommendations are about these rows; each repeat has its own row in the other "
    "tables. All columns are in `metrics/repeated_levels.csv`."
)


def section(inputs: ReportInputs) -> Blocks:
    """The table of repeated levels; nothing where none was repeated."""
    shown = repeated_table(inputs.repeated)
    if shown.empty:
        return []
    texts = ("experiment", "dataset", "load", "verdict")
    right = [name for name in shown.columns if name not in texts]
    return ["### Repeated levels", _ABOUT, frame(shown, to_the_right=right)]


def repeated_table(repeated: pd.DataFrame) -> pd.DataFrame:
    """A row per repeated level: its figures over all repeats with their intervals, and their range over the repeats."""
    return text_frame(
        {
            **level_names(row),
            "latency p95 (95% CI)": estimate_of(row, "latency_p95"),
            "of repeats": _range(row, "latency_p95"),
            "TTFT p95 (95% CI)": estimate_of(row, "TTFT_p95"),
            "of repeats ": _range(row, "TTFT_p95"),
            "txn/min": significant(row["transactions_per_minute"]),
            "of repeats  ": _range(row, "transactions_per_minute"),
            "USD per 10,000 txn": amount(row["price_per_10k_txn"]),
            "verdict": str(row["verdict"]),
        }
        for row in in_order(rows_of(repeated))
    )


def _range(row: Row, column: str) -> str:
    """The least and greatest figure of a repeat, with the standard deviation: `0.91 to 1.1 s (sd 0.08)`."""
    least, most, spread = (number(row, f"{column}_repeat_{what}") for what in ("min", "max", "std"))
    if least is None or most is None or spread is None:
        return MISSING
    write = significant if column == "transactions_per_minute" else seconds
    return f"{write(least)} to {write(most)} (sd {write(spread)})"
