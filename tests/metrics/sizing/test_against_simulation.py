"""Fleets named from a simulated copy's closed loops, against exact simulations of these fleets."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fmbench_lib.metrics.sizing.fleets import FleetSizer
from fmbench_lib.metrics.sizing.sized_copy import sized_copy
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion, TimeLimit

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def sizing(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("sizing")
    for name in ("sizing", "queues", "output"):
        sys.modules.pop(name, None)


def test_a_fleet_keeps_the_limit_and_one_copy_fewer_does_not(sizing: ModuleType) -> None:
    copy = sizing.Copy(4, "exponential")
    question = SizingQuestion((TimeLimit("latency", 0.95, 45.0),))
    sizer = FleetSizer.of(sized_copy(sizing.measured(copy, (1, 2, 4, 8, 16), 1500), question), question)
    rate = 2.3 * 4 / sizing.SERVICE_S  # 2.3 times what one copy does at most
    fleet = sizer.fleet(60 * rate)
    assert fleet.copies == 3
    kept, missed = (
        [float(np.quantile(sizing.fleet_latencies(copy, copies, rate, 3000, seed), 0.95)) for seed in range(3)]
        for copies in (3, 2)
    )
    assert max(kept) <= 45.0 < min(missed)
    assert fleet.p95["latency"] == pytest.approx(np.median(kept), rel=0.1)


def test_a_closed_loop_of_slots_ends_what_they_can(sizing: ModuleType) -> None:
    (level,) = sizing.measured(sizing.Copy(4, "constant"), (8,), 400)
    assert level.row["transactions_per_second"] == pytest.approx(4 / sizing.SERVICE_S, rel=0.02)
    assert level.row["latency_p95"] == 20.0  # one service of waiting, and its own
