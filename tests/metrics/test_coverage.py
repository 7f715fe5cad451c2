"""The claims of the statistics on simulated queues of known truth: a quick form of `benchmarks/coverage.py`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in (
        "queues",
        "simulated_rates",
        "coverage_claims",
        "coverage_intervals",
        "coverage_repeats",
        "coverage_search",
        "output",
    ):
        sys.modules.pop(name, None)


def tables() -> ModuleType:
    """`benchmarks/coverage.py` under a name of its own, as a package of the same name may be installed."""
    spec = importlib.util.spec_from_file_location("coverage_tables", BENCHMARKS / "coverage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestQueues:
    """The simulator itself, against what is known exactly."""

    @pytest.mark.parametrize(
        ("slots", "load", "wait"),
        [(1, 0.8, 4.0), (2, 0.9, 4.2632), (16, 0.9, 0.3667)],  # Erlang C / (slots · (1 - load))
    )
    def test_mean_waits_are_erlangs(self, slots: int, load: float, wait: float) -> None:
        from queues import Queue, open_loop

        served = open_loop(Queue(slots, load), 200, 6000, 1)
        assert served.wait.mean() == pytest.approx(wait, rel=0.06)

    def test_constant_service_waits_half_as_long(self) -> None:
        from queues import Queue, open_loop

        served = open_loop(Queue(1, 0.8, "constant"), 100, 5000, 1)
        assert served.wait.mean() == pytest.approx(2.0, rel=0.06)  # Pollaczek and Khinchine

    def test_a_closed_loop_keeps_its_users_in_flight(self) -> None:
        from queues import closed_loop

        served = closed_loop(8, 4, "exponential", 3, 500, 1)
        assert (served.ahead == 7).all()
        assert served.latency.mean() == pytest.approx(2.0, rel=0.1)  # 8 users at 4 per second

    def test_exact_arrivals_fill_their_span(self) -> None:
        from queues import Queue, open_loop

        served = open_loop(Queue(4, 0.5, exact=True), 5, 100, 1, kept=10)
        assert ((served.arrived >= 0) & (served.arrived < 50)).sum(axis=1).tolist() == [100] * 5

    def test_events_keep_the_length_of_the_service_and_stall_for_others(self) -> None:
        from queues import Queue, event_times, open_loop

        served = open_loop(Queue(16, 0.8), 1, 300, 1)
        events = event_times(served, 0, 12, 0.02)
        assert np.allclose(events[:, -1], served.ended[0])
        gaps = np.diff(events, axis=1)
        assert (gaps >= 0).all()
        assert gaps.max() > 3 * np.median(gaps)


def test_throughput_is_unbiased_and_its_interval_holds() -> None:
    for span in (3.0, 20.0):
        for row in tables().throughput(60, "bimodal", span):
            assert abs(row["bias_after"]) < 0.01 + 3 * row["bias_error"], row
            assert row["published"] < 0.1 or row["held"] > 0.87, row


def test_published_intervals_hold_the_truth_where_today_s_do_not() -> None:
    from coverage_intervals import Case, coverage
    from queues import Queue

    rows = [row for load in (0.5, 0.8) for row in coverage(Case(Queue(16, load), 1000), 60, truth_levels=100)]
    for row in rows:
        assert row["after_published"] < 0.2 or row["after_held"] > 0.85, row
    published = {(row["measure"], row["figure"], row["loop"]): row["after_published"] for row in rows}
    assert published["TPOT", "p95", "open 50%"] > 0.5
    (queued,) = [row for row in rows if (row["measure"], row["figure"], row["loop"]) == ("TTFT", "p95", "open 80%")]
    assert queued["before_held"] < 0.5
    assert queued["after_published"] < 0.1


def test_overload_is_found_and_a_high_load_is_not_accused() -> None:
    from queues import Queue, open_loop

    from fmbench_lib.metrics.statistics.sustainability import sustainability

    for load, least, most in ((0.95, 0, 2), (1.1, 36, 40)):
        queue = Queue(16, load, exact=True)
        requests, ahead = round(120 * queue.rate), round(3 * queue.rate)  # 60 s of requests of 0.5 s
        served = open_loop(queue, 40, requests, 1, warm_up=ahead, kept=ahead)
        window = (0.0, requests / queue.rate)
        answers = [sustainability(*times, window).answer for times in zip(served.arrived, served.ended, strict=True)]
        assert least <= answers.count("no") <= most


@pytest.mark.parametrize("service", ["exponential", "bimodal"])
def test_one_slot_is_not_accused_either_and_few_services_do_not_pass_for_kept_up(service: str) -> None:
    from queues import Queue, open_loop

    from fmbench_lib.metrics.statistics.sustainability import sustainability

    answers = {}
    for load, seconds in ((0.95, 0.25), (1.25, 0.25), (0.95, 0.5), (1.25, 0.5), (1.25, 2.0)):
        queue = Queue(1, load, service, exact=True)
        requests = round(60 / seconds * queue.rate)
        served = open_loop(queue, 100, requests, 2, warm_up=3, kept=3)
        window = (0.0, requests / queue.rate)
        times = zip(served.arrived, served.ended, strict=True)
        answers[load, seconds] = [sustainability(*pair, window).answer for pair in times]
    for seconds, least in ((0.25, 95), (0.5, 87)):  # 99 and 92, and two standard errors
        assert answers[0.95, seconds].count("no") <= 10  # 5, and two standard errors
        assert answers[1.25, seconds].count("no") >= least
    assert answers[1.25, 2.0].count("yes") <= 12


def test_a_burst_is_left_out() -> None:
    first = next(iter(tables().warm_ups(40)))
    assert first["before"] >= first["after"]
    assert first["after"] == pytest.approx(first["true"], rel=0.05)
    assert first["ends"] > 0.95


def test_a_search_gives_a_range_that_holds_the_capacity() -> None:
    from coverage_search import search
    from queues import Queue

    queue = Queue(4, 0.75, exact=True)
    outcomes = [search(queue, 300, seed) for seed in range(5)]
    held = sum(outcome.low <= queue.rate <= outcome.high for outcome in outcomes if outcome.low and outcome.high)
    assert held >= 4
    assert sum(outcome.found > 1.05 * queue.rate for outcome in outcomes if outcome.found) <= 1


def test_repeats_see_what_one_measurement_cannot() -> None:
    from coverage_repeats import Machine, repeat_coverage
    from queues import Queue

    machine = Machine(Queue(4, 0.5, "bimodal"), 0.1)
    rows = [row for row in repeat_coverage(machine, 1000, 40, truth_levels=100) if row["figure"] == "p95"]
    assert [row["repeats"] for row in rows] == [3, 5]
    for row in rows:
        assert row["after_published"] > 0.9, row
        assert row["after_held"] > 0.85, row
        assert row["before_held"] < row["after_held"], row


def test_a_comparison_leaves_equal_levels_alone_and_finds_slower_ones() -> None:
    from coverage_claims import FIGURES, Setting, rows
    from queues import Queue

    setting = Setting(Queue(16, 0.5, "batches", slowdown=0.5), users=8, requests=300)
    equal, _, slower = rows(setting, 8)
    assert equal["alarms"] == 0
    assert slower["alarms"] == 1
    for row in (equal, slower):
        held = {one["figure"]: one["held"] for one in row["figures"] if one["compared"]}
        assert min(held.values()) >= 0.75, held  # of 8; at 95% fewer would be 6 in 1,000
        assert {"TTFT_p50", "transactions_per_minute", "price_per_10k_txn"} <= set(held) <= set(FIGURES)
