"""The energy of the levels where it could be measured: of a transaction and of an output token, its price and CO2."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.report.level_order import in_order
from fmbench_lib.report.level_texts import level_names
from fmbench_lib.report.markdown import Blocks, escape, frame, text_frame
from fmbench_lib.report.numbers import MISSING, significant
from fmbench_lib.report.report_data import ReportInputs

_INTRO = (
    "Energy of the endpoint's machine, from before the first to after the last request of each level, over all that "
    "succeeded in between. It holds what the client took, which ran on the same machine."
)
_COLUMNS = {
    "joules": "energy_joules",
    "J/txn": "joules_per_txn",
    "J/output token": "joules_per_output_token",
    "USD/txn": "energy_usd_per_txn",
    "g CO2/txn": "grams_co2_per_txn",
}


def section(inputs: ReportInputs) -> Blocks:
    """A row for each level whose energy is known; nothing where none is."""
    shown = energy_table(inputs.summary)
    if shown.empty:
        return []
    sources = dict.fromkeys(filter(None, (text(row, "energy_source") for row in rows_of(inputs.summary))))
    right = list(_COLUMNS)
    return ["### Energy", f"{_INTRO} Read from {escape('; '.join(sources))}.", frame(shown, to_the_right=right)]


def energy_table(summary: pd.DataFrame) -> pd.DataFrame:
    """The levels whose energy is known, in order."""
    rows = [row for row in in_order(rows_of(summary)) if number(row, "energy_joules") is not None]
    return text_frame({**level_names(row), **_figures(row)} for row in rows)


def _figures(row: Row) -> dict[str, str]:
    values = {name: number(row, column) for name, column in _COLUMNS.items()}
    return {name: MISSING if value is None else significant(value) for name, value in values.items()}
