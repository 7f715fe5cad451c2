"""The table of every level."""

from __future__ import annotations

import pandas as pd
import pytest

from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.report.sections.every_level import levels_table

RATES = "offered / sent / completed per s"


def summary(*rows: dict[str, object]) -> pd.DataFrame:
    empty = {column.name: None if column.kind == "text" else float("nan") for column in SUMMARY}
    names = {"experiment_name": "one", "payload_file": "payload_en_1-225.jsonl", "verdict": "valid"}
    return pd.DataFrame([empty | names | row for row in rows])


@pytest.mark.parametrize("closed", [{"concurrency": 4.0, "sent_rate": 9.0, "completed_rate": 9.0}])
def test_open_loops_show_what_was_offered_sent_and_completed(closed: dict[str, object]) -> None:
    opened = {"request_rate": 2.0, "arrival": "poisson", "offered_rate": 2.0, "sent_rate": 1.98, "completed_rate": 1.5}
    table = levels_table(summary(closed, opened))
    assert sorted(table[RATES]) == ["", "2.00 / 1.98 / 1.50"]
    assert RATES not in levels_table(summary(closed)).columns
