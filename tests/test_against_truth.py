"""How `benchmarks/against_truth.py` judges a published figure: it must be able to say that one is wrong."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    known = set(sys.modules)
    sys.path.insert(0, str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("against_truth", BENCHMARKS / "against_truth.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(BENCHMARKS))
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("row", "true", "right"),
    [
        ({"rate": 30.2}, 30.0, "yes"),
        ({"rate": 24.0}, 30.0, "NO"),  # beyond the 2% allowed
        ({"rate": 24.0, "rate_low": 20.0, "rate_high": 31.0}, 30.0, "yes"),
        ({"rate": 29.9, "rate_low": 29.8, "rate_high": 29.95}, 30.0, "NO"),  # near, and yet the interval does not hold
        ({"rate": float("nan")}, 30.0, "NO"),
        ({}, 30.0, "no such column"),
        ({"rate": "no"}, "no", "yes"),
        ({"rate": "unknown"}, "no", "NO"),
    ],
)
def test_a_figure_is_judged_by_its_interval_else_by_what_it_may_be_off(
    benchmark: ModuleType, row: dict[str, Any], true: float | str, right: str
) -> None:
    claim = benchmark.Claim("rate", benchmark.constant(true))
    assert benchmark.compared("a case", claim, row.get("rate"), true, row)["right"] == right


def test_what_must_not_be_said_is_wrong_and_the_rest_is_right(benchmark: ModuleType) -> None:
    said = [
        benchmark.compared("", benchmark.NOT_ACCUSED, text, "yes", {})["right"] for text in ("yes", "unknown", "no")
    ]
    assert said == ["yes", "yes", "NO"]
