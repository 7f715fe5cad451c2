"""The relative effect of two levels, by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import brunnermunzel

from fmbench_lib.metrics.statistics.correlated import State
from fmbench_lib.metrics.statistics.rank_test import rank_effect


def independent(values: np.ndarray) -> list[tuple[np.ndarray, State]]:
    return [(values, State.of(np.zeros(values.size)))]


def test_the_share_of_pairs_is_counted_with_ties_as_halves() -> None:
    found = rank_effect(independent(np.array([1.0, 2.0, 3.0])), independent(np.array([2.0, 4.0])))
    assert found is not None
    assert found.longer == pytest.approx(4.5 / 6)  # of 2: one below, one tie; of 4: three below


def test_values_that_are_missing_are_in_no_pair() -> None:
    found = rank_effect(independent(np.array([1.0, np.nan, 3.0])), independent(np.array([2.0, np.nan])))
    assert found is not None
    assert found.longer == pytest.approx(0.5)
    assert rank_effect(independent(np.array([np.nan])), independent(np.array([1.0]))) is None
    assert rank_effect([], independent(np.array([1.0]))) is None


def test_of_independent_values_it_is_brunner_and_munzels_test() -> None:
    generator = np.random.default_rng(3)
    base, new = generator.lognormal(0, 0.6, 400), generator.lognormal(0.08, 0.9, 500)
    found = rank_effect(independent(base), independent(new))
    assert found is not None
    reference = brunnermunzel(base, new)
    assert found.longer == pytest.approx((new[:, None] > base[None, :]).mean())
    assert found.p == pytest.approx(reference.pvalue, rel=0.35)
    assert found.low < 0.5 < found.high or reference.pvalue < 0.05


def test_a_shift_is_found_and_its_direction() -> None:
    generator = np.random.default_rng(4)
    base, new = generator.lognormal(0, 0.3, (3, 500)), generator.lognormal(0.2, 0.3, (3, 500))
    sides = [[(row, State.of(np.zeros(row.size))) for row in side] for side in (base, new)]
    longer, shorter = rank_effect(sides[0], sides[1]), rank_effect(sides[1], sides[0])
    assert longer is not None
    assert shorter is not None
    assert longer.p < 1e-4
    assert longer.longer > 0.6
    assert shorter.longer == pytest.approx(1 - longer.longer)
    assert longer.enough > 1


def test_what_shifts_both_at_once_is_no_difference_between_pairs() -> None:
    generator = np.random.default_rng(5)
    drift = np.array([1.0, 1.2, 1.44])[:, None]
    base, new = drift * generator.lognormal(0, 0.3, (3, 500)), drift * generator.lognormal(0, 0.3, (3, 500))
    sides = [[(row, State.of(np.zeros(row.size))) for row in side] for side in (base, new)]
    apart, paired = rank_effect(sides[0], sides[1]), rank_effect(sides[0], sides[1], paired=True)
    assert apart is not None
    assert paired is not None
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_requests_that_share_a_queue_widen_the_interval() -> None:
    generator = np.random.default_rng(6)
    slow = np.repeat(generator.normal(0, 1, 20), 50)  # fifty neighbours resemble each other
    base, new = slow + generator.normal(0, 0.1, 1000), np.roll(slow, 500) + generator.normal(0, 0.1, 1000)
    correlated = rank_effect(independent(base), independent(new))
    shuffled = rank_effect(independent(generator.permutation(base)), independent(generator.permutation(new)))
    assert correlated is not None
    assert shuffled is not None
    assert correlated.high - correlated.low > 3 * (shuffled.high - shuffled.low)
