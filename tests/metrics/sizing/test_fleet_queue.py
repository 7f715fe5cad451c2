"""What arrivals meet at fleets whose queues have known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import gamma

from fmbench_lib.metrics.sizing.copy_curve import PROBABILITIES, CopyStates
from fmbench_lib.metrics.sizing.fleet_queue import met_by_arrivals, share_within, time_at


def slots(count: int, most: int) -> np.ndarray:
    """Rates of a copy with so many slots of 1 request/s each."""
    return np.minimum(np.arange(most + 1), count).astype(float)


def test_one_slot_is_the_queue_with_geometric_numbers() -> None:
    met = met_by_arrivals(slots(1, 50), 1, 0.5)
    assert met is not None
    assert met[:4] == pytest.approx([0.5, 0.25, 0.125, 0.0625])  # an arrival meets n with (1 - ρ) ρ^n
    assert met[-1] == pytest.approx(0.5**50)
    assert met.sum() == pytest.approx(1)


def test_the_share_that_waits_is_erlangs() -> None:
    met = met_by_arrivals(slots(2, 60), 1, 1.0)
    assert met is not None
    assert met[2:].sum() == pytest.approx(1 / 3)  # Erlang C of 2 slots and 1 erlang
    together = met_by_arrivals(slots(1, 60), 2, 1.0)  # two copies with a slot each that share what waits
    assert together is not None
    assert together[1:].sum() == pytest.approx(1 / 3)


def test_the_percentile_of_one_slot_is_that_of_its_formula() -> None:
    most = 120
    times = np.stack([gamma.ppf(PROBABILITIES, max(number, 1)) for number in range(most + 1)])
    states = CopyStates(slots(1, most), {"latency": times})
    met = met_by_arrivals(states.rate, 1, 0.8)
    assert met is not None
    truth = -math.log(0.05) / (1 - 0.8)  # exponential with rate μ - λ
    assert time_at(states, met, "latency", 0.95) == pytest.approx(truth, rel=0.01)
    assert share_within(states, met, "latency", truth) == pytest.approx(0.95, abs=0.002)


def test_what_was_not_measured_is_not_within_a_limit() -> None:
    states = CopyStates(slots(1, 2), {"latency": np.zeros((3, PROBABILITIES.size))})
    met = met_by_arrivals(states.rate, 1, 0.5)
    assert met is not None
    assert met[-1] == pytest.approx(0.25)  # two or more were there already
    assert share_within(states, met, "latency", 1.0) == pytest.approx(0.75)
    assert time_at(states, met, "latency", 0.95) is None
    assert time_at(states, met, "latency", 0.5) == 0


def test_more_than_the_fleet_can_end_is_no_answer() -> None:
    assert met_by_arrivals(slots(2, 8), 3, 6.0) is None
    assert met_by_arrivals(slots(2, 8), 3, 5.9) is not None


def test_services_that_vary_more_make_longer_queues_and_leave_free_slots_alone() -> None:
    usual, longer = (met_by_arrivals(slots(4, 200), 1, 3.6, variation) for variation in (1.0, 4.0))
    assert usual is not None
    assert longer is not None
    numbers = np.arange(1, 202)
    assert longer @ numbers > 1.5 * (usual @ numbers)
    assert longer[1] / longer[0] == pytest.approx(usual[1] / usual[0])


def test_many_copies_are_computed_as_far_as_they_have_requests() -> None:
    rate, copies, arrivals = slots(4, 300), 400, 1500.0
    numbers = np.arange(1, copies * 300 + 1)
    ends = np.minimum(numbers, copies * 4).astype(float)  # one more at a copy is one slot more, up to four
    logs = np.concatenate(([0.0], np.cumsum(np.log(arrivals) - np.log(ends))))
    weights = np.exp(logs - logs.max())
    met = met_by_arrivals(rate, copies, arrivals)
    assert met is not None
    assert met[:-1] == pytest.approx(weights[:-1].reshape(300, copies).sum(axis=1) / weights.sum(), abs=1e-12)
    assert met[-1] == 0


def test_a_throughput_that_falls_again_is_followed_to_its_end() -> None:
    rate = np.array([0.0, 1.0, 2.0, 3.0, 1.5, 1.4, 2.0])
    met = met_by_arrivals(rate, 1, 1.45)
    assert met is not None
    products = np.cumprod(np.concatenate(([1.0], 1.45 / rate[1:])))
    products[-1] /= 1 - 1.45 / 2.0
    assert met == pytest.approx(products / products.sum())
