"""What is computed for whole arrays is what a loop over the requests gives."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.statistics import service_capacity as module
from fmbench_lib.metrics.statistics.arrays import Floats

CASES = range(40)


def requests(case: int) -> tuple[Floats, Floats]:
    """When requests were due and ended: with ties, some that never end or end before they come, one queue or none."""
    random = np.random.default_rng(case)
    count = int(random.integers(1, 200))
    due = np.sort(np.round(random.uniform(0, 50, count), 1 if case % 3 == 0 else 6))
    end = due + random.exponential([0.1, 2.0, 5.0, 20.0][case % 4], count)
    if case % 2:
        end = queued(due, random.exponential(0.4, count), 1 + case % 5)
    if case % 7 == 0:
        end[random.random(count) < 0.1] = np.inf
    if case % 5 == 0:
        end[random.random(count) < 0.05] -= 3
    return due, np.round(end, 1) if case % 3 == 0 else end


def queued(due: Floats, took: Floats, slots: int) -> Floats:
    free, end = [0.0] * slots, []
    for came, needs in zip(due, took, strict=True):
        slot = free.index(min(free))
        free[slot] = max(free[slot], float(came)) + float(needs)
        end.append(free[slot])
    return np.array(end)


def overtaken_by_definition(due: Floats, end: Floats) -> list[int]:
    return [int((end[:each] > max(due[each], end[each])).sum()) for each in range(due.size)]


def services_by_definition(due: Floats, end: Floats, slots: int) -> list[float]:
    """A slot is free when all but `slots - 1` of the requests before have ended."""
    result = []
    for each in range(due.size):
        before = sorted(end[:each].tolist(), reverse=True)
        free = before[slots - 1] if each >= slots else -np.inf
        result.append(max(0.0, float(end[each]) - max(float(due[each]), free)))
    return result


@pytest.mark.parametrize("compared", [0, 500])
@pytest.mark.parametrize("block", [7, 16_384])
@pytest.mark.parametrize("case", CASES)
def test_how_many_were_overtaken(case: int, block: int, compared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "_MOST_COMPARED", compared)  # of more that are in flight each is looked at by itself
    due, end = requests(case)
    assert module._overtaken(due, end).tolist() == overtaken_by_definition(due, end)


@pytest.mark.parametrize("compared", [0, 500])
@pytest.mark.parametrize("slots", [1, 2, 5, 40])
@pytest.mark.parametrize("case", CASES)
def test_how_long_each_had_a_slot(case: int, slots: int, compared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_COMPARED", compared)
    due, end = requests(case)
    assert module._services(due, end, slots).tolist() == services_by_definition(due, end, slots)


def test_nothing_was_due() -> None:
    assert module._overtaken(np.empty(0), np.empty(0)).size == 0
    assert module._services(np.empty(0), np.empty(0), 3).size == 0
