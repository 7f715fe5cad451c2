"""Lengths of synthetic prompts: what a config may say, and that draws are of the distribution that it names."""

from __future__ import annotations

import random
import statistics
from typing import Any

import pytest

from fmbench_lib.config.token_lengths import MOST_TOKENS, TokenLengths, parse_lengths

DRAWS = 20_000


def drawn(value: Any) -> list[int]:
    lengths, generator = parse_lengths(value), random.Random(1)
    return [lengths.length(number, generator) for number in range(DRAWS)]


@pytest.mark.parametrize("value", [1000, {"constant": 1000}, {"distribution": "constant", "value": 1000}, [1000]])
def test_a_constant(value: Any) -> None:
    assert set(drawn(value)) == {1000}
    assert (parse_lengths(value).low, parse_lengths(value).high) == (1000, 1000)


def test_a_list_is_taken_in_turn() -> None:
    assert drawn([128, 1000, 4000])[:5] == [128, 1000, 4000, 128, 1000]


@pytest.mark.parametrize(
    "value", [{"min": 3, "max": 6}, {"uniform": {"min": 3, "max": 6}}, {"distribution": "uniform", "min": 3, "max": 6}]
)
def test_uniform_has_both_bounds_as_often_as_the_rest(value: Any) -> None:
    lengths = drawn(value)
    assert set(lengths) == {3, 4, 5, 6}
    # 4 standard errors of a share of 1/4
    assert all(abs(lengths.count(each) / DRAWS - 0.25) < 4 * (0.25 * 0.75 / DRAWS) ** 0.5 for each in set(lengths))


@pytest.mark.parametrize("name", ["normal", "lognormal"])
def test_mean_and_deviation_are_those_of_the_length_itself(name: str) -> None:
    lengths = drawn({name: {"mean": 1000, "stddev": 100}})
    assert statistics.fmean(lengths) == pytest.approx(1000, abs=4 * 100 / DRAWS**0.5 + 0.5)
    assert statistics.stdev(lengths) == pytest.approx(100, rel=0.03)
    skewness = statistics.fmean(((length - 1000) / 100) ** 3 for length in lengths)
    assert skewness == pytest.approx(0 if name == "normal" else 0.301, abs=0.1)  # (v² + 3)·v with v = 0.1


def test_what_is_out_of_bounds_is_drawn_again() -> None:
    lengths = drawn({"mean": 100, "stddev": 50, "min": 90, "max": 120})
    assert (min(lengths), max(lengths)) == (90, 120)
    assert lengths.count(90) < DRAWS / 10  # not piled up at the bounds


def test_a_distribution_without_bounds_reaches_four_deviations() -> None:
    assert parse_lengths({"mean": 1000, "stddev": 100}) == TokenLengths("normal", 600, 1400, (), 1000, 100)
    assert parse_lengths({"mean": 100, "stddev": 100}).low == 1


def test_bounds_far_from_the_mean_still_end() -> None:
    assert set(drawn({"mean": 10, "stddev": 0, "min": 90, "max": 120})) == {90}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "from 1 to"),
        (True, "whole numbers"),
        (1.5, "whole numbers"),
        ("many", r"write a number, 1000, a list, \[128, 1000\]"),
        ([], "write a number"),
        ([128, "a"], "whole numbers"),
        ({"min": 9, "max": 3}, "has min 9 above max 3"),
        ({"min": 9}, "lacks max"),
        ({"mean": 9}, "lacks stddev"),
        ({"mean": 9, "stdev": 3}, "has the unknown key stdev; did you mean stddev"),
        ({"mean": "9", "stddev": 3}, "mean is '9'; write a number from 1"),
        (
            {"distribution": "lognorml", "mean": 9, "stddev": 3},
            "unknown distribution 'lognorml'; did you mean lognormal",
        ),
        ({"min": 1, "max": MOST_TOKENS + 1}, "max is 10000001; write a whole number from 1 to 10,000,000"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(value: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_lengths(value)
