"""Fleets, their prices, which is taken, and where prices cross."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fmbench_lib.metrics.comparison.compared_level import ComparedLevel
from fmbench_lib.metrics.sizing.fleets import Fleet, FleetSizer, busy_hour
from fmbench_lib.metrics.sizing.open_loop_rates import RateCurve, RatePoint
from fmbench_lib.metrics.sizing.size import choose, size
from fmbench_lib.metrics.sizing.sized_copy import SizedCopy, sized_copy
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion, TimeLimit

TWO_SECONDS = SizingQuestion((TimeLimit("latency", 0.95, 2.0),))


def level(concurrency: int | None = None, rate: float | None = None, **row: Any) -> ComparedLevel:
    """A level of a copy with 4 slots, whose services last 1 s: more requests wait."""
    number = concurrency or 1
    latency = row.pop("latency", max(number / 4, 1.0))
    served = rate or min(number, 4)
    facts = {
        "experiment_name": "vllm",
        "payload_file": "all.jsonl",
        "load": f"concurrency-{concurrency}" if concurrency else f"rate-{rate}",
        "concurrency": concurrency,
        "request_rate": rate,
        "arrival": None if rate is None else "poisson",
        "instance_type": "g5.2xlarge",
        "verdict": "valid",
        "error_rate": 0.0,
        "transactions_per_second": served,
        "transactions_per_minute": 60 * served,
        "price_kind": "instance",
        "price_per_txn": 1.2 / 3600 / served,
        "prompt_token_count_mean": 900.0,
        "completion_token_count_mean": 100.0,
        "latency_p95": latency,
        "latency_p95_low": latency,
        "latency_p95_high": latency,
        **row,
    }
    return ComparedLevel("run", facts, {}, 1, {}, {"latency": (np.full(50, facts["latency_p95"] or 1.0),)})


CLOSED = [level(number) for number in (1, 2, 4, 8, 16)]
BY_TOKEN = {"experiment_name": "api", "price_kind": "token", "price_per_txn": 0.001, "instance_type": "a-model"}


def copy_of(*levels: ComparedLevel, question: SizingQuestion = TWO_SECONDS) -> SizedCopy:
    return sized_copy(levels, question)


def test_a_fleet_carries_the_rate_and_costs_what_its_machines_do() -> None:
    fleet = FleetSizer.of(copy_of(*CLOSED), TWO_SECONDS).fleet(540)  # 9/s, 4/s a copy at most
    assert (fleet.copies, fleet.machines) == (3, 3)
    assert fleet.carries is not None
    assert 540 < fleet.carries < 720
    assert fleet.hourly == pytest.approx(3.6)
    assert fleet.monthly == pytest.approx(3.6 * 730)
    assert fleet.per_million == pytest.approx(3.6 / (540 * 60) / 1000 * 1e6)
    assert 1.0 <= fleet.p95["latency"] <= 2.0  # type: ignore[operator]
    assert fleet.enough


def test_an_hour_of_random_arrivals_has_more_than_its_mean() -> None:
    assert busy_hour(600, 0.0) == pytest.approx(600 * (1 + 1.645 * (1 / 36_000) ** 0.5))
    assert busy_hour(600) == pytest.approx(600 * (1 + 1.645 * (2 / 36_000) ** 0.5))
    assert busy_hour(1) == pytest.approx(1 + 1.645 * (2 / 60) ** 0.5)


def test_head_room_and_spares_take_more_copies() -> None:
    roomy = replace(TWO_SECONDS, headroom=0.5)
    assert FleetSizer.of(copy_of(*CLOSED), roomy).fleet(540).copies == 4
    spared = FleetSizer.of(copy_of(*CLOSED), replace(TWO_SECONDS, spare=1)).fleet(540)
    usual = FleetSizer.of(copy_of(*CLOSED), TWO_SECONDS).fleet(540)
    assert (spared.copies, spared.hourly) == (4, pytest.approx(4.8))
    assert spared.carries == usual.carries  # the spare may fail


def test_arrivals_dealt_out_at_random_need_more() -> None:
    many = replace(TWO_SECONDS, routing="random")
    least, random = (FleetSizer.of(copy_of(*CLOSED), one).fleet(6000).copies or 0 for one in (TWO_SECONDS, many))
    assert random > least >= 26


def test_a_limit_below_the_least_latency_is_met_by_no_fleet() -> None:
    fleet = FleetSizer.of(copy_of(*CLOSED), SizingQuestion((TimeLimit("latency", 0.95, 0.9),))).fleet(1)
    assert (fleet.copies, fleet.hourly, fleet.enough) == (None, None, False)
    assert fleet.why_none == "latency p95 ≤ 0.9 s is not met at the least load measured"


def test_a_copy_of_several_machines_is_counted_with_all() -> None:
    fleet = FleetSizer.of(copy_of(*(level(n, instance_count=2) for n in (1, 4, 8))), TWO_SECONDS).fleet(600)
    assert fleet.machines == 2 * (fleet.copies or 0)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"verdict": "invalid"}, "invalid"),
        ({"error_rate": 0.02}, "2% of its requests failed"),
        ({"error_rate": None}, "how many failed is not known"),
        ({"latency_p95": None}, "latency is not known"),
        ({"prompt_token_count_mean": 2000.0}, "measured with 2000 tokens in, not 900"),
    ],
)
def test_levels_that_may_not_win_are_not_used_and_said(row: dict[str, Any], why: str) -> None:
    asked = replace(TWO_SECONDS, tokens_in=900)
    copy = copy_of(level(1), level(2, **row), question=asked)
    assert copy.unused == (f"concurrency 2: {why}",)
    assert copy.curve is not None
    assert [point.in_flight for point in copy.curve.points] == [1]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"sustainable": "no"}, "its queue grew"),
        ({"sustainable": "unknown"}, "too short to tell whether its queue grew"),
        ({"arrival": "constant"}, "its arrivals were not random (constant)"),
    ],
)
def test_open_loops_that_tell_nothing_of_random_arrivals_are_not_used(row: dict[str, Any], why: str) -> None:
    copy = copy_of(level(rate=1.0), level(rate=2.0, **row))
    assert copy.unused == (f"2 requests/s: {why}",)
    assert copy.rates is not None
    assert copy.rates.greatest == 1.0


def test_degraded_levels_and_summaries_are_said() -> None:
    known = level(2, verdict="degraded")
    alone = replace(level(1), series={}, summary_only=True)
    notes = copy_of(alone, known).notes
    assert "degraded: concurrency 2" in notes
    assert "known by percentiles alone: concurrency 1" in notes


def test_open_loops_alone_are_dealt_out_at_random() -> None:
    copy = copy_of(level(rate=1.0, latency=1.0), level(rate=3.0, latency=3.0))
    sizer = FleetSizer.of(copy, TWO_SECONDS)
    fleet = sizer.fleet(600)  # 2/s a copy, halfway between 1 s and 3 s
    assert sizer.carries(1) == pytest.approx(120)
    assert fleet.copies == 6  # 5 carry the mean, not the busiest of 20 hours
    assert any("dealt out at random" in note for note in sizer.notes)


def test_nothing_is_carried_beyond_the_greatest_rate_measured() -> None:
    curve = RateCurve.of([RatePoint(2.0, {"latency": (1.0, 1.1)}), RatePoint(1.0, {"latency": (0.9, 1.0)})])
    assert curve.within(TWO_SECONDS.limits) == 2.0
    assert curve.within((TimeLimit("latency", 0.95, 1.05),)) == pytest.approx(1.5)
    assert curve.within((TimeLimit("latency", 0.95, 1.05),), sure=False) == 2.0
    assert curve.within((TimeLimit("latency", 0.95, 0.95),)) is None


def test_an_open_loop_that_was_slower_than_promised_counts_more() -> None:
    slow = level(rate=2.0, latency=1.9)
    sizer = FleetSizer.of(copy_of(*CLOSED, slow), TWO_SECONDS)
    assert sizer.queues is None
    assert "one copy had latency p95 1.9 s at 120 requests/min, where its closed loops promise 1" in sizer.notes[0]
    agreeing = FleetSizer.of(copy_of(*CLOSED, level(rate=2.0, latency=1.0)), TWO_SECONDS)
    assert agreeing.queues is not None


def test_tokens_are_carried_as_far_as_they_were_measured() -> None:
    sizer = FleetSizer.of(copy_of(level(1, **BY_TOKEN), level(2, **BY_TOKEN)), TWO_SECONDS)
    fleet, more = sizer.fleet(60), sizer.fleet(600)
    assert (fleet.copies, fleet.machines, fleet.carries, fleet.enough) == (0, 0, 120, True)
    assert fleet.hourly == pytest.approx(60 * 60 * 0.001)
    assert (more.beyond, more.enough) == (True, False)


def fleet(hourly: float | None, machines: int | None, *, beyond: bool = False) -> Fleet:
    return Fleet("x", 60, machines, machines, machines, 100, {}, hourly, beyond=beyond)


def test_the_cheapest_the_fewest_and_what_lies_between() -> None:
    fleets = [fleet(4.0, 8), fleet(6.0, 1), fleet(4.4, 3), fleet(1.0, 1, beyond=True), fleet(None, None)]
    assert choose(fleets, 1.0) == 0
    assert choose(fleets, 0.0) == 1
    assert choose(fleets, 0.9) == 2  # 0.9·1.1 + 0.1·3 = 1.29; 0.9 + 0.1·8 = 1.7; 0.9·1.5 + 0.1 = 1.45
    assert choose([fleet(None, 2)], 1.0) is None
    assert choose([fleet(None, 2)], 0.0) == 0


def test_machines_cost_less_than_tokens_from_where_their_prices_cross() -> None:
    machines, tokens = copy_of(*CLOSED), copy_of(level(1, **BY_TOKEN))
    (crossover,) = size([machines, tokens], TWO_SECONDS, rates=(10, 30)).crossovers
    assert crossover.rate == pytest.approx(1.2 / 0.001 / 60)  # 20 requests/min
    assert crossover.copies == 1
    carries = FleetSizer.of(machines, TWO_SECONDS).carries(1)
    assert crossover.utilisation == pytest.approx(20 / carries)
    grid = size([machines, tokens], TWO_SECONDS, rates=(10, 30)).grid
    assert [one.chosen for one in grid] == [1, 0]


def test_machines_that_are_dearer_at_full_use_never_cost_less() -> None:
    cheap = copy_of(level(1, **{**BY_TOKEN, "price_per_txn": 1e-6}))
    (crossover,) = size([copy_of(*CLOSED), cheap], TWO_SECONDS, rates=(10,)).crossovers
    assert crossover.rate is None
    assert crossover.utilisation is not None
    assert crossover.utilisation > 1
