"""Percentiles against numpy, their intervals against the exact binomial of scipy and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fmbench_lib.metrics.statistics.percentiles import clustered_estimate, estimate, order_ranks, percentile, smallest_n

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(finite, min_size=1, max_size=60), st.floats(0, 1))
def test_linear_interpolation_by_the_definition(values, q):
    ordered = sorted(values)
    rank = q * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    by_hand = ordered[below] + (rank - below) * (ordered[above] - ordered[below])
    assert percentile(values, q) == pytest.approx(by_hand, rel=1e-9, abs=1e-6)
    assert percentile(values, q) == pytest.approx(np.percentile(values, 100 * q), rel=1e-9, abs=1e-6)


def test_no_value_has_no_percentile_and_missing_values_are_not_counted():
    assert percentile([], 0.5) is None
    assert estimate([], 0.95).value is None
    assert estimate([1.0, float("nan"), 3.0], 0.5).n == 2
    assert percentile([1.0, float("nan"), 3.0], 0.5) == 2.0


@pytest.mark.parametrize(("q", "limit"), [(0.50, 6), (0.95, 72), (0.99, 368)])
def test_the_least_samples_that_have_an_interval(q, limit):
    assert smallest_n(q) == limit
    assert order_ranks(limit - 1, q) is None
    ranks = order_ranks(limit, q)
    assert ranks is not None
    assert ranks[1] == limit  # the largest value is the only one that can bound it from above
    assert max(q, 1 - q) ** limit <= 0.025 < max(q, 1 - q) ** (limit - 1)


def test_an_estimate_below_the_limit_is_used_but_marked():
    found = estimate(np.arange(71.0), 0.95)
    assert found.value == pytest.approx(66.5)
    assert found.low is None
    assert found.high is None
    assert not found.certain
    assert estimate(np.arange(72.0), 0.95).certain


@given(st.integers(1, 3000), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_ranks_are_the_tightest_that_the_exact_binomial_allows(n, q):
    below = stats.binom(n, q)
    ranks = order_ranks(n, q)
    possible = below.cdf(0) <= 0.025 and below.sf(n - 1) <= 0.025
    assert (ranks is not None) == possible
    if ranks is None:
        return
    low, high = ranks
    assert 1 <= low <= high <= n
    assert below.cdf(low - 1) <= 0.025 < below.cdf(low)
    assert below.sf(high - 1) <= 0.025 < below.sf(high - 2)


@settings(max_examples=25)
@given(st.lists(finite, min_size=72, max_size=100))
def test_the_interval_encloses_its_estimate(values):
    found = estimate(values, 0.95)
    assert found.low <= found.value <= found.high


def test_large_samples_are_ranked_without_overflow():
    low, high = order_ranks(1_000_000, 0.95)
    below = stats.binom(1_000_000, 0.95)
    assert below.cdf(low - 1) <= 0.025 < below.cdf(low)
    assert below.sf(high - 1) <= 0.025 < below.sf(high - 2)


@pytest.mark.parametrize(("q", "n"), [(0.5, 25), (0.95, 100), (0.99, 400)])
def test_the_interval_holds_the_truth_at_least_95_times_in_100(q, n):
    generator = np.random.default_rng(20261122)
    truth = stats.lognorm(s=1.0).ppf(q)
    trials = 1000
    held = 0
    for _ in range(trials):
        found = estimate(generator.lognormal(size=n), q)
        held += found.low <= truth <= found.high
    assert held / trials >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / trials)


def test_gaps_of_the_same_response_are_not_counted_as_independent():
    """Each response has its own speed: the pooled number of gaps says nothing about how many speeds were seen."""
    generator = np.random.default_rng(7)
    truth = np.exp(stats.norm.ppf(0.5) * np.sqrt(0.5**2 + 0.1**2))
    held_clustered = held_pooled = 0
    trials = 150
    for _ in range(trials):
        speeds = generator.normal(0, 0.5, size=60)
        groups = [np.exp(speed + generator.normal(0, 0.1, size=30)) for speed in speeds]
        clustered = clustered_estimate(groups, 0.5)
        pooled = estimate(np.concatenate(groups), 0.5)
        assert clustered.value == pooled.value
        assert clustered.n == pooled.n == 1800
        held_clustered += clustered.low <= truth <= clustered.high
        held_pooled += pooled.low <= truth <= pooled.high
    assert held_clustered / trials >= 0.90
    assert held_pooled / trials < 0.6


def test_independent_gaps_lose_little_by_being_grouped():
    generator = np.random.default_rng(3)
    groups = [generator.exponential(size=20) for _ in range(100)]
    clustered, pooled = clustered_estimate(groups, 0.95), estimate(np.concatenate(groups), 0.95)
    assert clustered.high - clustered.low < 1.6 * (pooled.high - pooled.low)


def test_one_response_has_no_interval_for_its_gaps():
    assert not clustered_estimate([np.arange(1000.0)], 0.5).certain
    assert clustered_estimate([], 0.5).value is None


def test_gaps_that_are_all_alike_are_as_sure_as_the_number_of_responses_allows():
    assert clustered_estimate([np.ones(50)] * 5, 0.5).certain is False
    assert clustered_estimate([np.ones(50)] * 6, 0.5).certain is True
