"""A level has the same figures in one part and in many, and its slices those of all requests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics import requests
from fmbench_lib.metrics.columns import Cells
from fmbench_lib.metrics.groups import client_error, stalls
from fmbench_lib.metrics.level_moments import LevelMoments
from fmbench_lib.metrics.level_row import measured_cells, slices_of, whole_level
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.statistics import ordered_values

RECORDED = Path(__file__).parents[1] / "report" / "data" / "recorded_run" / "requests"
PATHS = sorted(RECORDED.rglob("*.parquet"))


def figures(path: Path) -> list[Cells]:
    sample = whole_level(*StoredLevel.at(path, 1).of_figures(), Objectives(ttft=0.2, latency=1.0))
    return [measured_cells(sample), *slices_of(sample)]


def assert_equal(found: list[Cells], expected: list[Cells]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert {name: _close(one[name], other[name]) for name in other} == dict.fromkeys(other, True)


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: "-".join(path.parts[-3:]))
def test_parts_of_seven_requests_give_the_same_figures(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = figures(path)
    for module in (client_error, stalls, requests):
        monkeypatch.setattr(module, "_AT_ONCE", 7)
    monkeypatch.setattr(ordered_values, "MOST_COPIED", 7)
    assert_equal(figures(path), whole)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: "-".join(path.parts[-3:]))
def test_a_slice_needs_the_requests_near_it_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near = figures(path)
    monkeypatch.setattr(LevelMoments, "near", lambda level, _window: slice(0, len(level._requests)))
    assert_equal(near, figures(path))
