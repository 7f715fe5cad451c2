from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.config.spelling import edit_distance, nearest

words = st.text(alphabet="abc", max_size=6)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("name", "name", 0),
        ("nmae", "name", 2),
        ("kitten", "sitting", 3),
        ("", "abc", 3),
        ("load", "loads", 1),
    ],
)
def test_counts_letters_inserted_deleted_and_replaced(one: str, other: str, distance: int) -> None:
    assert edit_distance(one, other) == distance


@given(words, words, words)
def test_is_a_metric(one: str, other: str, third: str) -> None:
    assert edit_distance(one, other) == edit_distance(other, one)
    assert (edit_distance(one, other) == 0) == (one == other)
    assert edit_distance(one, third) <= edit_distance(one, other) + edit_distance(other, third)


def test_nearest_word_wins_and_none_when_all_are_far() -> None:
    assert nearest("concurency_levels", ["concurrency_levels", "request_rates"]) == "concurrency_levels"
    assert nearest("Name", ["name", "game"]) == "name"
    assert nearest("zebra", ["name", "load"], within=2) is None
    assert nearest("x", []) is None


def test_a_word_with_a_qualifier_before_it_is_meant_rather_than_another_of_similar_letters() -> None:
    known = ["timeout", "connect_timeout", "read_timeout", "requests"]
    assert nearest("request_timeout", known) == "timeout"
    assert nearest("read_timeoutt", known) == "read_timeout"
    assert nearest("conect_timeout", known) == "connect_timeout"
    assert nearest("first_read_timeout", known) == "read_timeout"
