"""The search by one model: servers of known capacity, exact and noisy, what bounds a search, and how it confirms."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from fmbench_lib.load.levels.search import TOLERANCE, Search
from fmbench_lib.load.levels.search_terms import Objective, Outcome, Reading, Tried

Server = Callable[[float], Tried]

LATENCY = Objective("latency_p95", 2.0)


def exact(value: float) -> Reading:
    return Reading(value, value * 0.999, value * 1.001)


def queue(capacity: float, noise: float = 0.0, seed: int = 1) -> Server:
    """Latency 1 s without load, growing as a queue's does; 2 s at half the capacity. Noise is relative."""

    def measure(load: float) -> Tried:
        if load >= capacity:
            return Tried(load, {"latency_p95": exact(60.0 * load / capacity)})
        value = capacity / (capacity - load)
        if noise:
            value *= math.exp(random.Random(f"{seed}/{load}").gauss(0, noise))
        return Tried(load, {"latency_p95": Reading(value, value * math.exp(-2 * noise), value * math.exp(2 * noise))})

    return measure


def run(search: Search, server: Server) -> tuple[Outcome, list[Tried]]:
    tried: list[Tried] = []
    while (load := search.next_load(tried)) is not None:
        tried.append(server(load))
    assert len(tried) <= search.levels
    return search.result(tried), tried


def rates(**changes: object) -> Search:
    return Search(**({"kind": "max_request_rate", "objectives": (LATENCY,)} | changes))  # type: ignore[arg-type]


def slots(**changes: object) -> Search:
    return rates(kind="max_concurrency", **changes)


class TestRange:
    def test_it_holds_the_answer_where_a_figure_leaps_just_above_it(self) -> None:
        """Refusals that are allowed for keep TTFT low up to 8 in flight; at 9 it leaps over its limit by little."""
        limits = (Objective("TTFT_p95", 0.15), Objective("error_rate", 0.5))

        def refusing(load: float) -> Tried:
            refused = 0.0 if load < 5 else 0.4
            ttft = 0.06 if load < 9 else 0.155
            return Tried(load, {"TTFT_p95": exact(ttft), "error_rate": exact(refused)})

        outcome, _ = run(slots(objectives=limits), refusing)
        assert outcome.found is not None
        assert outcome.low is not None
        assert outcome.high is not None
        assert 4 <= outcome.found <= 8
        assert outcome.low <= outcome.found <= outcome.high


class TestRates:
    @pytest.mark.parametrize("capacity", [0.3, 3.7, 20.0, 137.0, 900.0, 5000.0])
    def test_the_greatest_rate_is_found_within_five_percent(self, capacity: float) -> None:
        outcome, _ = run(rates(levels=14), queue(capacity))
        assert outcome.ended == "decided"
        assert outcome.found is not None
        assert outcome.missed is not None
        assert outcome.found <= capacity / 2 < outcome.missed <= TOLERANCE**2 * outcome.found
        assert outcome.found >= capacity / 2 / TOLERANCE
        assert outcome.low is not None
        assert outcome.high is not None
        assert outcome.low <= capacity / 2 <= outcome.high

    @pytest.mark.parametrize("seed", range(12))
    def test_noise_is_averaged_over_the_levels(self, seed: int) -> None:
        outcome, _ = run(rates(), queue(137.0, noise=0.03, seed=seed))
        assert 0.92 * 137.0 / 2 <= outcome.found <= TOLERANCE * 137.0 / 2

    def test_one_level_that_is_wrong_does_not_mislead(self) -> None:
        """Near the answer a level that misses by mistake stands below levels that meet."""
        server = queue(100.0)

        def stumbling(load: float) -> Tried:
            return Tried(load, {"latency_p95": exact(9.0)}) if 38 < load < 44 else server(load)

        outcome, tried = run(rates(start=40.0), stumbling)
        assert not rates().meets(tried[0])
        assert outcome.found == pytest.approx(50.0, rel=0.05)

    def test_rates_have_three_digits_to_be_named_by(self) -> None:
        _, tried = run(rates(start=1.23456), queue(137.0))
        assert all(one.load == float(f"{one.load:.3g}") for one in tried)

    def test_nothing_meets_however_little_is_asked(self) -> None:
        outcome, tried = run(rates(), lambda load: Tried(load, {"latency_p95": exact(3.0)}))
        assert (outcome.found, outcome.ended) == (None, "nothing")
        assert outcome.missed == min(one.load for one in tried)
        assert len(tried) == 3

    def test_the_first_rate_is_too_high(self) -> None:
        outcome, _ = run(rates(start=64.0), queue(3.0))
        assert outcome.found == pytest.approx(1.5, rel=0.05)

    def test_everything_meets_up_to_the_bound(self) -> None:
        outcome, tried = run(rates(most=66.66), queue(1e6))
        assert (outcome.missed, outcome.ended) == (None, "most")
        assert outcome.found == pytest.approx(66.66, rel=0.005)
        assert max(one.load for one in tried) <= 66.66

    def test_the_levels_are_used_up_while_everything_still_meets(self) -> None:
        outcome, tried = run(rates(levels=3), queue(1e6))
        assert (outcome.found, outcome.missed, outcome.ended) == (16.0, None, "levels")
        assert len(tried) == 3


def refusing(capacity: float) -> Server:
    """Above its capacity it refuses two requests in five, and what it lets through is as quick as ever."""

    def measure(load: float) -> Tried:
        failed = 0.4 if load > capacity else 0.0
        return Tried(load, {"TTFT_p95": exact(0.02), "error_rate": Reading(failed, max(0.0, failed - 0.15), 0.55)})

    return measure


class TestQuickRefusals:
    @pytest.mark.parametrize("limit", [0.03, 0.1, 2.0])
    @pytest.mark.parametrize("capacity", [2.0, 7.0, 40.0])
    def test_they_are_misses_however_quick_the_rest_is(self, capacity: float, limit: float) -> None:
        """The latency of what succeeds is no sign of how far the answer is: only the refusals are."""
        objectives = (Objective("TTFT_p95", limit), Objective("error_rate", 0.0))
        for search in (slots(objectives=objectives), rates(objectives=objectives)):
            outcome, tried = run(search, refusing(capacity))
            assert [search.meets(level) for level in tried] == [level.load <= capacity for level in tried]
            assert outcome.found is not None
            assert 0.85 * capacity <= outcome.found <= capacity < (outcome.missed or 0.0) <= 1.2 * capacity + 1
            assert outcome.low is not None
            assert outcome.high is not None
            assert outcome.low <= capacity <= outcome.high


class TestConcurrency:
    @pytest.mark.parametrize("answer", [1, 2, 7, 8, 33, 100])
    def test_the_search_ends_with_neighbours(self, answer: int) -> None:
        outcome, tried = run(slots(), queue(2 * answer + 1.0))
        assert (outcome.found, outcome.ended) == (answer, "decided")
        assert outcome.missed in (answer + 1, answer + 2)
        assert all(isinstance(slots().next_load(tried[:n]), int) for n in range(len(tried)))

    @pytest.mark.parametrize("capacity", [2.4, 5.0, 16.9, 17.0, 17.1, 67.98, 201.0])
    def test_the_range_holds_the_greatest_whole_number_that_meets(self, capacity: float) -> None:
        """The server meets up to half its capacity: 8.49 in flight are 8 requests."""
        outcome, _ = run(slots(), queue(capacity))
        assert outcome.low is not None
        assert outcome.high is not None
        assert outcome.low == math.floor(outcome.low) >= 1
        assert outcome.low <= math.floor(capacity / 2) <= outcome.high

    def test_not_even_one_at_a_time_meets(self) -> None:
        outcome, tried = run(slots(start=8.0), lambda load: Tried(load, {"latency_p95": exact(3.0)}))
        assert [one.load for one in tried] == [8, 2, 1]
        assert (outcome.found, outcome.missed, outcome.ended) == (None, 1, "nothing")

    def test_everything_meets_up_to_the_bound(self) -> None:
        outcome, _ = run(slots(most=50.0), queue(1e6))
        assert (outcome.found, outcome.ended) == (50, "most")

    def test_a_kink_as_that_of_a_server_with_slots(self) -> None:
        """TTFT is flat up to 8 in flight, and then a service time more for each turn that is waited for."""

        def served(load: float) -> Tried:
            return Tried(load, {"latency_p95": exact(1.0 if load <= 8 else 1.0 + 2.0 * math.ceil((load - 8) / 8))})

        outcome, _ = run(slots(), served)
        assert (outcome.found, outcome.missed) == (8, 9)


class TestClient:
    def test_a_level_that_the_client_spoilt_bounds_the_search(self) -> None:
        def limited(load: float) -> Tried:
            return Tried(load, {"latency_p95": exact(1.1)}, unusable=load > 40)

        for search in (rates(), slots()):
            outcome, tried = run(search, limited)
            assert outcome.ended == "client"
            assert outcome.found == pytest.approx(40, rel=0.05)
            assert outcome.missed is None
            assert len(tried) <= 12

    def test_the_answer_below_it_is_still_found(self) -> None:
        server = queue(100.0)

        def limited(load: float) -> Tried:
            return Tried(load, server(load).readings, unusable=load > 60)

        outcome, _ = run(rates(), limited)
        assert (outcome.found, outcome.ended) == (pytest.approx(50.0, rel=0.05), "decided")

    def test_no_load_can_be_measured(self) -> None:
        outcome, _ = run(slots(start=4.0), lambda load: Tried(load, {"latency_p95": exact(1.0)}, unusable=True))
        assert (outcome.found, outcome.missed, outcome.ended) == (None, None, "client")


class TestObjectives:
    def test_the_worst_of_several_decides(self) -> None:
        both = (LATENCY, Objective("TTFT_p95", 0.5), Objective("error_rate", 0.0))

        def server(load: float) -> Tried:
            errors = Reading(0.0, 0.0, 0.01) if load <= 30 else Reading(0.1, 0.05, 0.2)
            return Tried(load, {"latency_p95": exact(1.0), "TTFT_p95": exact(load / 100), "error_rate": errors})

        outcome, tried = run(rates(objectives=both), server)
        assert outcome.found == pytest.approx(30, rel=0.05)
        assert outcome.found in [one.load for one in tried if one.load <= 30]

    def test_a_lower_bound(self) -> None:
        share = Objective("slo_attainment", 0.9, at_least=True)
        outcome, _ = run(
            rates(objectives=(share,)), lambda load: Tried(load, {"slo_attainment": exact(min(1.0, 36.0 / load))})
        )
        assert outcome.found is not None
        assert 36 <= outcome.found <= TOLERANCE * 40

    def test_a_figure_that_is_not_known_meets_nothing(self) -> None:
        assert not rates().meets(Tried(1.0, {"latency_p95": Reading(None)}))

    def test_an_overloaded_level_misses_whatever_its_figures_say(self) -> None:
        def server(load: float) -> Tried:
            return Tried(load, {"latency_p95": exact(1.0)}, overloaded=load > 25)

        outcome, _ = run(rates(), server)
        assert outcome.found == pytest.approx(25, rel=0.05)
        assert outcome.missed is not None
        assert outcome.missed > 25


class TestConfirmation:
    def test_the_answer_is_measured_again(self) -> None:
        outcome, tried = run(rates(), queue(20.0))
        assert [level.load for level in tried].count(outcome.found) == 2
        assert outcome.confirmed

    def test_an_answer_that_misses_when_it_is_measured_again_is_given_up(self) -> None:
        """A level just below the limit met by luck; the same load misses by 30% the next time."""
        exactly, asked = queue(20.0), []

        def lucky(load: float) -> Tried:
            asked.append(load)
            again = asked.count(load) > 1 and load > 9.5
            return Tried(load, {"latency_p95": exact(2.6)}) if again else exactly(load)

        outcome, tried = run(rates(), lucky)
        assert outcome.found is not None
        assert outcome.found <= 9.95
        assert outcome.found not in [level.load for level in tried if not rates().meets(level)]

    def test_levels_without_intervals_give_a_wide_range(self) -> None:
        def short(load: float) -> Tried:
            value = 20.0 / (20.0 - load) if load < 20 else 60.0
            return Tried(load, {"latency_p95": Reading(value, value * 0.8, None)})

        wide, _ = run(rates(), short)
        narrow, _ = run(rates(), queue(20.0))
        assert wide.low is not None
        assert wide.high is not None
        assert narrow.low is not None
        assert narrow.high is not None
        assert wide.high / wide.low > 2 * narrow.high / narrow.low
        assert wide.low < 10 < wide.high


def test_a_search_that_was_cut_short_goes_on_where_it_was() -> None:
    _, tried = run(rates(), queue(137.0, noise=0.05))
    for done in range(len(tried)):
        assert rates().next_load(tried[:done]) == tried[done].load
        assert rates().result(tried[:done]).ended is None
