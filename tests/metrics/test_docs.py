"""The hand-written parts of docs/metrics.md agree with the code: sample sizes, error classes, budgets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fmbench_lib.errors import ERROR_CLASSES
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.statistics.percentiles import smallest_n

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
DOC = PAGE.partition("## The files and their columns")[0]


@pytest.mark.parametrize(("name", "q"), [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)])
def test_the_least_samples_are_the_codes(name, q):
    assert f"| {name} | {smallest_n(q)} |" in DOC


def test_error_classes_and_budgets_are_explained():
    plain = DOC.replace("`", "").replace("\n", " ")
    assert re.sub(r"\s*\(an error inside a 200 or in mid-stream\)", "", plain).count(", ".join(ERROR_CLASSES)) == 1
    for name in Budgets.__dataclass_fields__:
        assert f"`{name}`" in DOC
