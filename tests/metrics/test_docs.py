"""docs/metrics.md says what the code does: its thresholds, limits, columns and worked example are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fmbench_lib.errors import ERROR_CLASSES
from fmbench_lib.metrics.budgets import Budgets
from fmbench_lib.metrics.columns import INTERVAL_FAMILIES, SLICE_COLUMNS, SUMMARY_COLUMNS
from fmbench_lib.metrics.costs import COST_COLUMNS
from fmbench_lib.metrics.percentiles import smallest_n
from fmbench_lib.metrics.tables import COUNT_COLUMNS, REQUEST_COLUMNS
from fmbench_lib.metrics.thresholds import thresholds_table

DOC = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_the_table_of_thresholds_is_the_codes():
    block = re.search(r"<!-- thresholds:.*?-->\n(.*?)\n<!-- end -->", DOC, re.DOTALL)
    assert block is not None
    assert block.group(1).strip() == thresholds_table()


@pytest.mark.parametrize(("name", "q"), [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)])
def test_the_least_samples_are_the_codes(name, q):
    assert f"| {name} | {smallest_n(q)} |" in DOC


def test_every_column_is_explained():
    unexplained = []
    for column in sorted({*SUMMARY_COLUMNS, *SLICE_COLUMNS, *REQUEST_COLUMNS, *COUNT_COLUMNS}):
        fitting = [name for name in INTERVAL_FAMILIES if column.startswith(name)]
        general = [f"`<time>{column.removeprefix(name)}`" for name in fitting]
        if not any(spelling in DOC for spelling in (f"`{column}`", *general)):
            unexplained.append(column)
    assert not unexplained


def test_costs_classes_and_budgets_are_explained():
    for name in ("duration_in_seconds", "cost", "cost_measuring", "billed_seconds", "cost_billed", "note"):
        assert name in COST_COLUMNS
        assert f"`{name}`" in DOC
    plain = DOC.replace("`", "").replace("\n", " ")
    assert re.sub(r"\s*\(an error inside a 200 or in mid-stream\)", "", plain).count(", ".join(ERROR_CLASSES)) == 1
    for name in Budgets.__dataclass_fields__:
        assert f"`{name}`" in DOC
