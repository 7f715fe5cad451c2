from __future__ import annotations

import numpy as np
import pytest

from fmbench_lib.metrics.statistics.sustainability import sustainability

WINDOW = (0.0, 60.0)


def test_a_growing_queue_is_not_sustainable() -> None:
    """10 requests/s are due and 8 end: 2 of each second pile up."""
    due = np.arange(600) / 10
    result = sustainability(due, np.arange(600) / 8 + 0.125, WINDOW)
    assert result.answer == "no"
    assert (result.at_start, result.at_end) == (1, 120)
    assert result.growth == pytest.approx(0.2, abs=0.005)
    assert result.served == pytest.approx(0.8, abs=0.005)


def test_one_that_keeps_up_is() -> None:
    due = np.arange(-20, 600) / 10 + 0.05
    result = sustainability(due, due + 0.52, WINDOW)
    assert (result.answer, result.growth) == ("yes", 0.0)
    assert result.at_start == result.at_end == 5


def test_failures_end_a_request_too() -> None:
    due = np.arange(600) / 10
    assert sustainability(due, due + 0.01, WINDOW).answer == "yes"


def test_what_has_not_ended_is_in_flight() -> None:
    due = np.arange(600) / 10
    end = np.where(np.arange(600) < 100, due + 0.1, np.nan)
    result = sustainability(due, end, WINDOW)
    assert (result.answer, result.at_end) == ("no", 500)


def test_few_requests_say_nothing() -> None:
    due = np.arange(15.0) * 4
    result = sustainability(due, due + 1, WINDOW)
    assert result.answer == "unknown"
    assert result.longer == pytest.approx(2 * 20 / 15)


def test_how_much_longer_to_measure_is_by_the_error_and_at_least_twice() -> None:
    """One slot at 95% with exponential times: the error falls with the root of the requests."""
    generator = np.random.default_rng(3)
    for requests, least, most in ((60, 4.0, 40.0), (2000, 2.0, 2.0)):
        due = np.sort(generator.random(requests)) * requests / 0.95
        done = np.cumsum(service := generator.exponential(1.0, requests))
        end = np.maximum.accumulate(due - (done - service)) + done
        result = sustainability(due, end, (0.0, requests / 0.95))
        needed = (3.132 * result.error / np.log(1.1 / 0.95)) ** 2
        assert least <= max(2.0, needed) <= most
        assert result.longer == (1.0 if result.answer != "unknown" else pytest.approx(max(2.0, needed)))


def test_an_overload_that_the_error_does_not_rule_out_is_not_called_sustainable() -> None:
    """25 services of 0.2 s or 5.4 s: what the one slot can do is known to a third."""
    generator = np.random.default_rng(1)
    answers = []
    for _ in range(60):
        service = np.where(generator.random(60) < 0.15, 9.0, 0.6)
        due = np.sort(generator.random(60)) * 60 * 1.86 / 1.25
        done = np.cumsum(service)
        end = np.maximum.accumulate(due - (done - service)) + done
        answers.append(sustainability(due, end, (0.0, 60 * 1.86 / 1.25)))
    for answer in answers:
        assert answer.answer != "yes" or answer.excess + 0 <= 1
    assert any(answer.excess <= 0.02 < 0.2 < answer.excess + 1.28 * answer.error for answer in answers)


def test_a_late_rise_that_chance_may_give_is_unknown() -> None:
    """Ends come in clumps, so that 15 more in flight at the end are within their chance; but they did not come back."""
    generator = np.random.default_rng(5)
    due = np.arange(600) / 10
    end = due + 0.5 + np.where(due > 38, 1.2, 0.0) + generator.exponential(0.3, 600)
    result = sustainability(due, end, WINDOW)
    assert result.answer == "unknown"
    assert result.at_end > result.at_start


def test_a_queue_that_fills_from_idle_is_not_accused() -> None:
    """Ten slots, each 1 s, at 9 requests/s from idle: what is in flight at the end piled up, but not for good."""
    due = (np.arange(180) + 0.3) / 9
    result = sustainability(due, due + 0.97, (0.0, 20.0))
    assert result.at_end - result.at_start >= 8
    assert result.answer != "no"


def test_the_capacity_is_that_of_the_busy_time() -> None:
    """One slot takes 1 s a request, and every other 10 s none are due: 0.5/s arrive, 1/s would be served."""
    due = np.concatenate([20.0 * period + np.arange(10.0) for period in range(6)])
    result = sustainability(due, due + 1.0 - 1e-6, (0.0, 120.0))
    assert result.error < 0.1
    assert result.excess == pytest.approx(1 - 1 / 0.5, abs=0.05)
    assert result.answer == "yes"


@pytest.mark.parametrize(("served", "excess"), [(8.0, 0.2), (9.0, 0.1), (9.5, 0.05)])
def test_the_excess_is_what_is_offered_beyond_the_ends_of_a_busy_server(served: float, excess: float) -> None:
    due = np.arange(-50, 600) / 10
    end = np.arange(1, 700) / served
    result = sustainability(due, end, WINDOW)
    assert result.excess == pytest.approx(excess, abs=0.005)
    assert result.answer == "no"
