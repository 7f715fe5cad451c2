"""nDCG against values worked out by hand, and against its definition over all orders of equal scores."""

from __future__ import annotations

import math
from itertools import permutations
from statistics import fmean

import pytest

from fmbench_lib.metrics.statistics.ranking_quality import ndcg

NAN = math.nan


def plain(order: list[float], cutoff: int = 10) -> float:
    """nDCG of grades in their ranked order, by the definition."""

    def dcg(grades: list[float]) -> float:
        return sum(grade / math.log2(rank + 2) for rank, grade in enumerate(grades[:cutoff]))

    return dcg(order) / dcg(sorted(order, reverse=True))


def test_wikipedias_example() -> None:
    # Grades 3, 2, 3, 0, 1, 2 in the order of the ranking; DCG 6.861, ideal 7.141 with these six alone.
    grades = [3.0, 2.0, 3.0, 0.0, 1.0, 2.0]
    assert ndcg([6, 5, 4, 3, 2, 1], grades) == pytest.approx(6.861 / 7.141, abs=2e-4)
    assert ndcg([6, 5, 4, 3, 2, 1], grades) == pytest.approx(plain(grades))


def test_the_best_order_is_one_and_the_worst_is_less() -> None:
    assert ndcg([0.9, 0.5, 0.1], [2, 1, 0]) == pytest.approx(1.0)
    assert ndcg([0.1, 0.5, 0.9], [2, 1, 0]) == pytest.approx(plain([0.0, 1.0, 2.0]))


def test_equal_scores_are_worth_the_mean_over_their_orders() -> None:
    grades, scores = [3.0, 0.0, 1.0, 2.0], [0.5, 0.5, 0.5, 0.9]
    orders = [[2.0, *order] for order in permutations([3.0, 0.0, 1.0])]
    assert ndcg(scores, grades) == pytest.approx(fmean(map(plain, orders)))


def test_a_document_without_a_score_is_last() -> None:
    assert ndcg([NAN, 0.2], [1, 0]) == pytest.approx(plain([0.0, 1.0]))
    assert ndcg([0.2], [0, 1]) == pytest.approx(plain([0.0, 1.0]))
    assert ndcg([], [1, 1]) == pytest.approx(1.0)


def test_only_the_first_ten_count() -> None:
    grades = [0.0] * 10 + [1.0]
    assert ndcg(list(range(11, 0, -1)), grades) == 0.0


def test_without_a_relevant_document_there_is_no_ndcg() -> None:
    assert ndcg([1.0, 2.0], [0, 0]) is None
