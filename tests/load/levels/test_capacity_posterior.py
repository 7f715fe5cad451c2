"""The distribution of the answer: what one level, two and many make of it."""

from __future__ import annotations

import math

import pytest

from fmbench_lib.load.levels.capacity_posterior import CapacityPosterior, Look


def look(load: float, ratio: float, error: float = 0.02) -> Look:
    return Look(math.log(load), math.log(ratio), error, error)


def test_it_lies_between_a_level_that_met_and_one_that_missed() -> None:
    posterior = CapacityPosterior.of([look(8.0, 0.5), look(16.0, 3.0)])
    assert 8.0 < posterior.quantile(0.05) < posterior.quantile(0.5) < posterior.quantile(0.85) < 16.0


def test_a_level_at_the_limit_is_the_answer() -> None:
    posterior = CapacityPosterior.of([look(8.0, 0.5), look(16.0, 3.0), look(10.0, 1.0)])
    assert posterior.quantile(0.5) == pytest.approx(10.0, rel=0.01)
    assert posterior.at_least(9.0) > 0.85 > 0.15 > posterior.at_least(11.0)


def test_a_level_that_may_look_too_good_moves_the_answer_down() -> None:
    sure = CapacityPosterior.of([look(8.0, 0.5), look(16.0, 3.0), look(10.0, 1.0)])
    short = Look(math.log(10.0), 0.0, 0.02, 0.8)
    unsure = CapacityPosterior.of([look(8.0, 0.5), look(16.0, 3.0), short])
    assert unsure.quantile(0.05) < sure.quantile(0.05)
    assert unsure.quantile(0.95) < 1.1 * sure.quantile(0.95)


def test_an_overloaded_level_says_only_that_the_answer_is_below() -> None:
    over = Look(math.log(16.0), math.inf, math.inf, math.inf)
    posterior = CapacityPosterior.of([look(8.0, 0.5), over])
    assert posterior.at_least(16.0) < 0.1


def test_bounds_cut_it_off() -> None:
    posterior = CapacityPosterior.of([look(8.0, 0.5), look(16.0, 3.0)], most=math.log(9.0))
    assert posterior.quantile(0.99) <= 9.1


def test_no_probability_is_lost() -> None:
    posterior = CapacityPosterior.of([look(8.0, 0.5), look(16.0, 3.0)])
    assert posterior.below[-1] == pytest.approx(1.0)
    assert posterior.at_least(0.001) == 1.0
    assert posterior.at_least(1e6) == pytest.approx(0.0)
