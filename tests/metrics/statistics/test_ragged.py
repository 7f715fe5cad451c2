from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.statistics import ragged
from fmbench_lib.metrics.statistics.ragged import Ragged

GROUPS = Ragged.of([[1.0, 2.0], None, np.array([5.0]), [], [4.0, 3.0, 8.0]])


def lists(groups: Ragged) -> list[list[float]]:
    return [group.tolist() for group in groups]


def test_what_is_no_list_is_an_empty_group() -> None:
    assert lists(GROUPS) == [[1, 2], [], [5], [], [4, 3, 8]]
    assert GROUPS.sizes.tolist() == [2, 0, 1, 0, 3]
    assert lists(Ragged.of([])) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([0, 4], [[1, 2], [4, 3, 8]]),
        ([4, 1, 0], [[4, 3, 8], [], [1, 2]]),
        ([2, 2], [[5], [5]]),
        ([1, 3], [[], []]),
        ([], []),
    ],
)
def test_groups_are_taken_in_the_order_asked_for(rows: list[int], expected: list[list[float]]) -> None:
    assert lists(GROUPS.take(np.array(rows, dtype=np.int64))) == expected


def test_values_are_not_copied_where_all_of_them_are_taken() -> None:
    assert GROUPS.take(np.array([0, 2, 3, 4])).values is GROUPS.values


def test_sums_means_and_maxima_of_empty_groups() -> None:
    assert GROUPS.sums().tolist() == [3, 0, 5, 0, 15]
    np.testing.assert_array_equal(GROUPS.means(), [1.5, np.nan, 5, np.nan, 5])
    np.testing.assert_array_equal(GROUPS.maxima(), [2, np.nan, 5, np.nan, 8])
    assert GROUPS.sums((GROUPS.values <= 4).astype(float)).tolist() == [2, 0, 0, 0, 2]
    assert Ragged.empty(2).means().shape == (2,)


def test_values_that_are_left_out_leave_their_group_shorter_or_empty() -> None:
    assert lists(GROUPS.where(GROUPS.values > 2)) == [[], [], [5], [], [4, 3, 8]]
    assert lists(Ragged.together([GROUPS, Ragged.of([[7.0]])]))[-2:] == [[4, 3, 8], [7]]


@pytest.mark.parametrize(("begin", "end", "expected"), [(0, 5, lists(GROUPS)), (1, 3, [[], [5]]), (2, 2, [])])
def test_groups_between_two_positions(begin: int, end: int, expected: list[list[float]]) -> None:
    between = GROUPS.between(begin, end)
    assert lists(between) == expected
    assert np.shares_memory(between.values, GROUPS.values) or not expected


def test_flags_are_summed_as_numbers() -> None:
    assert GROUPS.sums(GROUPS.values > 2).tolist() == [0, 0, 1, 0, 3]


def test_groups_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ragged, "_AT_ONCE", 2)
    rows = np.array([4, 1, 0, 2, 2, 3, 4])
    assert lists(GROUPS.take(rows)) == [lists(GROUPS)[row] for row in rows]
