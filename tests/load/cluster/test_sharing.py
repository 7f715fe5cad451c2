"""A level dealt out to nodes: the parts are the whole, and the merged sends are one arrival process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fmbench_lib.load.cluster.sharing import (
    ENTRY,
    Entries,
    entries_of_nodes,
    entries_of_worker,
    owners,
    read_entries,
    workers_of_nodes,
)
from fmbench_lib.load.sending.layout import write_order
from tests.load.level_builder import make_level


def numbered(count: int, first: int = 0) -> Entries:
    """Entries that say their position thrice."""
    entries = np.zeros(count, ENTRY)
    entries["position"] = entries["prompt"] = entries["due"] = np.arange(first, first + count)
    return entries


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.one_of(st.none(), st.integers(1, 120)))
def test_workers_are_numbered_once_and_never_more_than_allowed(most_each: list[int], most: int | None) -> None:
    dealt = workers_of_nodes(most_each, most)
    total = sum(most_each) if most is None else min(most, sum(most_each))
    assert sorted(number for numbers in dealt for number in numbers) == list(range(total))
    assert all(len(numbers) <= limit for numbers, limit in zip(dealt, most_each, strict=True))
    without = [not numbers for numbers in dealt]
    assert without == sorted(without)  # only the last nodes can be left out


def test_all_nodes_have_a_worker_before_any_has_two() -> None:
    assert workers_of_nodes([3, 1, 2], None) == [(0, 3, 5), (1,), (2, 4)]
    assert workers_of_nodes([3, 1, 2], 4) == [(0, 3), (1,), (2,)]
    assert workers_of_nodes([2, 2, 2], 2) == [(0,), (1,), ()]


@given(
    st.integers(0, 300),
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.one_of(st.none(), st.integers(1, 40)),
)
def test_each_entry_goes_to_one_node_in_its_order(count: int, most_each: list[int], concurrency: int | None) -> None:
    workers = [numbers for numbers in workers_of_nodes(most_each, concurrency) if numbers]
    parts = entries_of_nodes(numbered(count), workers, concurrency)
    assert sorted(int(entry["position"]) for part in parts for entry in part) == list(range(count))
    assert all((np.diff(part["position"].astype(int)) > 0).all() for part in parts)
    if concurrency is None:
        total = sum(map(len, workers))
        of_nodes = zip(parts, workers, strict=True)
        of_workers = [entries_of_worker(part, worker, total) for part, own in of_nodes for worker in own]
        assert sum(map(len, of_workers)) == count


def test_an_open_loop_is_dealt_to_workers_as_on_one_machine(tmp_path: Path) -> None:
    level = make_level(["http://h/"], range(3), range(3, 50), request_rate=20.0, arrival="poisson")
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir()
    shared.mkdir()
    of_workers = write_order(level, alone, 5).files
    workers = workers_of_nodes([2, 2, 1], None)
    parts = entries_of_nodes(read_entries(write_order(level, shared, 1).files[0]), workers, None)
    for part, numbers in zip(parts, workers, strict=True):
        for worker in numbers:
            assert entries_of_worker(part, worker, 5).tobytes() == of_workers[worker].read_bytes()


def test_a_closed_loops_parts_are_as_large_as_the_nodes_slots() -> None:
    workers = workers_of_nodes([1, 1, 1], None)
    parts = entries_of_nodes(numbered(1000), workers, 10)  # ten slots: 4, 3 and 3
    assert [len(part) for part in parts] == [400, 300, 300]


@pytest.mark.parametrize(("arrival", "burstiness"), [("poisson", 1.0), ("gamma", 0.5), ("constant", 1.0)])
def test_what_all_nodes_send_is_the_one_arrival_process(tmp_path: Path, arrival: str, burstiness: float) -> None:
    level = make_level(
        ["http://h/"], (), range(4000), request_rate=100.0, requests=4000, arrival=arrival, burstiness=burstiness
    )
    entries = read_entries(write_order(level, tmp_path, 1).files[0])
    parts = entries_of_nodes(entries, workers_of_nodes([4, 2, 1], None), None)
    merged = np.sort(np.concatenate([part["due"] for part in parts]))
    assert merged.tolist() == entries["due"].tolist()
    gaps = np.diff(merged)
    assert np.mean(gaps) == pytest.approx(0.01, rel=1e-3)
    if arrival == "constant":
        assert np.ptp(gaps) < 1e-9
    else:
        shape = burstiness
        assert stats.kstest(gaps, stats.gamma(shape, scale=0.01 / shape).cdf).pvalue > 0.01
        assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.05


def test_the_owner_of_each_worker_is_its_node() -> None:
    assert owners([(0, 3), (1,), (2,)]).tolist() == [0, 1, 2, 0]
