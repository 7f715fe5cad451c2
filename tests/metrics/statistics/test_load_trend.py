"""Trends over loads, against scipy and values worked out by hand."""

from __future__ import annotations

import random
from itertools import count

import numpy as np
import pytest
from scipy import stats

from fmbench_lib.metrics.statistics.load_trend import stratified_trend

Found = list[tuple[object, float, bool]]


def test_of_questions_asked_once_it_is_the_linear_part_of_chi_squared() -> None:
    right, counts, loads = [18, 15, 9], [20, 20, 20], [1, 2, 4]
    number = count()
    answers: Found = [
        (next(number), load, k < r) for r, n, load in zip(right, counts, loads, strict=True) for k in range(n)
    ]
    z, p = stratified_trend(answers)
    said = np.array([r for _, _, r in answers], float)
    correlation = np.corrcoef(np.repeat(loads, counts), said)[0, 1]
    assert z == pytest.approx(correlation * 59**0.5)
    assert z < 0
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_of_questions_asked_twice_it_is_mcnemars_exact_test() -> None:
    pairs = [(True, False)] * 5 + [(False, True)] + [(True, True)] * 20 + [(False, False)] * 4
    answers: Found = [
        (q, load, right) for q, pair in enumerate(pairs) for load, right in zip((1, 8), pair, strict=True)
    ]
    z, p = stratified_trend(answers)
    assert z == pytest.approx((1 - 5) / 6**0.5)
    assert p == pytest.approx(stats.binomtest(1, 6).pvalue)  # 0.219; the normal distribution says 0.102


def test_of_questions_at_three_loads_every_deal_of_the_right_answers_is_counted() -> None:
    # Each of two questions is right at load 1 alone, of loads 1, 2 and 4: of nine deals, one is so far from 14/3 below
    # it, and one above: 4 + 4 = 8 is 10/3 off, 1 + 1 = 2 is 8/3 off, 2 + 4 and 1 + 4 are nearer.
    answers: Found = [(q, load, load == 1) for q in "ab" for load in (1, 2, 4)]
    z, p = stratified_trend(answers)
    variance = 2 * (14 / 3) * 1 * 2 / (3 * 2)  # the squares around 7/3 come to 14/3
    assert z == pytest.approx((2 - 14 / 3) / variance**0.5)
    assert p == pytest.approx(2 / 9)


def test_questions_that_differ_in_difficulty_hide_no_trend() -> None:
    """Half of the questions are always right, half never, but for ten that get wrong with the load."""
    answers: Found = [(q, load, q % 2 == 0) for q in range(200) for load in (1, 2)]
    answers += [(f"turned {q}", load, load == 1) for q in range(10) for load in (1, 2)]
    z, p = stratified_trend(answers)
    assert z == pytest.approx(-(10**0.5))
    assert p == pytest.approx(2 / 2**10)


def test_without_a_trend_few_are_found() -> None:
    draw = random.Random(1)
    found = 0
    for _ in range(400):
        answers: Found = []
        for question in range(30):
            ease = draw.random()
            answers += [
                (question, load, draw.random() < ease) for load in draw.sample((1, 2, 4, 8), draw.randint(1, 4))
            ]
        found += stratified_trend(answers)[1] < 0.05
    assert 4 <= found <= 30  # 5% are 20


def test_no_trend_where_nothing_differs() -> None:
    assert stratified_trend([(n, load, True) for n in range(5) for load in (1, 2)]) == (0.0, 1.0)
    assert stratified_trend([(n, 1, n > 2) for n in range(5)]) == (0.0, 1.0)
    assert stratified_trend([]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("questions", "loads"),
    [(1000, [1, 2, 4, 8]), (1, [2**k for k in range(30)])],
    ids=["many questions", "one question at many loads"],
)
def test_where_there_is_too_much_to_enumerate_p_is_that_of_the_normal_distribution(
    questions: int, loads: list[int]
) -> None:
    chance = random.Random(1)
    answers: Found = [(q, load, chance.random() < 0.5) for q in range(questions) for load in loads]
    z, p = stratified_trend(answers)
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)))
