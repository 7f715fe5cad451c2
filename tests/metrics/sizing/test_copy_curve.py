"""What is taken for known between measured loads, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.sizing.copy_curve import PROBABILITIES, CopyCurve, CurvePoint, Times
from fmbench_lib.metrics.sizing.scalability_law import fit_law


def point(in_flight: float, rate: float, seconds: float = 1.0, error: float = 0.0) -> CurvePoint:
    times = Times(np.full(PROBABILITIES.size, seconds), 1 + error, 1 - error)
    return CurvePoint(in_flight, rate, rate * (1 - error), rate * (1 + error), {"latency": times})


def law_rate(number: float) -> float:
    return 2 * number / (1 + 0.1 * (number - 1) + 0.005 * number * (number - 1))


def test_a_law_is_found_again() -> None:
    loads = [1, 4, 8, 16, 32]
    law = fit_law(loads, [law_rate(load) for load in loads])
    assert law is not None
    assert (law.alone, law.contention, law.coherency) == pytest.approx((2, 0.1, 0.005))
    assert law.misfit == pytest.approx(0, abs=1e-9)
    assert law.peak == pytest.approx((0.9 / 0.005) ** 0.5)


def test_a_copy_that_never_slows_has_no_contention_and_no_peak() -> None:
    law = fit_law([1, 2, 4], [1.0, 2.02, 4.1])  # more than in proportion, by chance
    assert law is not None
    assert (law.contention, law.coherency, law.peak) == (0, 0, None)
    assert law.misfit == pytest.approx(0.018, abs=0.01)


def test_two_loads_make_no_law() -> None:
    assert fit_law([1, 4], [1.0, 3.0]) is None
    assert fit_law([1, 4, 4], [1.0, 3.0, 3.0]) is None


def test_the_views_hold_the_law_that_was_measured_at_some_loads() -> None:
    curve = CopyCurve.of([point(load, law_rate(load)) for load in (1, 4, 8, 12)])
    numbers = np.arange(1, 13)
    truth = law_rate(numbers)
    rates = {view: curve.states(view).rate[1:] for view in ("assured", "expected", "possible")}
    assert rates["expected"] == pytest.approx(truth, rel=1e-6)
    assert (rates["assured"] <= truth + 1e-9).all()
    assert (rates["possible"] >= truth - 1e-9).all()
    assert rates["assured"][5] == pytest.approx((law_rate(4) + law_rate(8)) / 2)  # 6 in flight


def test_intervals_widen_the_views() -> None:
    curve = CopyCurve.of([point(1, 1.0, 1.0, 0.1), point(4, 2.0, 2.0, 0.1)])
    assured, possible = curve.states("assured"), curve.states("possible")
    assert (assured.rate[4], possible.rate[4]) == pytest.approx((1.8, 2.2))
    assert (assured.times["latency"][4, 0], possible.times["latency"][4, 0]) == pytest.approx((2.2, 1.8))
    assert assured.times["latency"][2, 0] == pytest.approx(1.1 + (2.2 - 1.1) / 3)
    assert possible.times["latency"][2, 0] == pytest.approx(0.9)  # no shorter than with one


def test_below_the_least_load_rates_are_in_proportion_and_above_the_greatest_nothing_is_known() -> None:
    states = CopyCurve.of([point(4, 2.0, 3.0), point(8, 3.0, 4.0)]).states("assured")
    assert states.most == 8
    assert states.rate[:5] == pytest.approx([0, 0.5, 1.0, 1.5, 2.0])
    assert states.times["latency"][1, 0] == 3.0


def test_more_requests_in_flight_do_not_assure_shorter_times() -> None:
    states = CopyCurve.of([point(1, 1.0, 2.0), point(2, 2.0, 1.5)]).states("assured")
    assert states.times["latency"][2, 0] == 2.0
