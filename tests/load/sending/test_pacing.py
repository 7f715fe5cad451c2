"""How a level is paced and when it ends early, measured against servers whose behaviour is known."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from fmbench_lib.config.precision import parse_precision
from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.load.levels.arrivals.exact_spans import Span
from fmbench_lib.load.levels.arrivals.schedule import level_offsets
from tests.load.conftest import Measure, Peer
from tests.load.level_builder import load

Scripted = Callable[..., Any]

SLOW = Behaviour(ttft=Constant(0.1), itl=Constant(0.001), tokens=Constant(1))


def prompts(count: int) -> list[str]:
    return [f"number {number}" for number in range(count)]


def most_in_flight(rows: list[dict[str, Any]]) -> int:
    events = sorted([(row["sent"], 1) for row in rows] + [(row["end"], -1) for row in rows])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most


class TestCap:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_what_it_holds_back_waits_and_the_wait_is_told_apart(self, measure: Measure, workers: int) -> None:
        with launch(SLOW) as emulator:
            done = measure(
                emulator.url, prompts(12), request_rate=100, requests=12, max_concurrency=2, workers=workers, timeout=30
            )
        assert most_in_flight(done.rows) <= 2
        due = [row["due"] - done.rows[0]["due"] for row in done.rows]
        assert due == pytest.approx([number / 100 for number in range(12)], abs=1e-6)  # nothing is put off
        held = [row["cap_wait"] for row in done.rows]
        assert held[:2] == [0.0, 0.0]
        assert all(wait > 0.05 for wait in held[2:])
        for row in done.rows:
            wait = row["sent"] - row["due"] - (row["connect_s"] or 0) - row["cap_wait"]
            assert row["schedule_lag"] == pytest.approx(max(wait, 0), abs=1e-5)

    def test_there_is_no_such_wait_without_it(self, measure: Measure, emulator: Emulator) -> None:
        done = measure(emulator.url, prompts(3), request_rate=100, requests=3)
        assert [row["cap_wait"] for row in done.rows] == [None] * 3


class TestClosedLoop:
    def test_a_slot_thinks_between_an_answer_and_its_next_request(self, measure: Measure, emulator: Emulator) -> None:
        done = measure(emulator.url, prompts(4), requests=4, think_time=0.05)
        for one, following in zip(done.rows, done.rows[1:], strict=False):
            assert following["due"] >= one["end"] + 0.05

    @pytest.mark.parametrize("workers", [1, 2])
    def test_slots_open_one_after_the_other_and_what_is_sent_meanwhile_is_warm_up(
        self, measure: Measure, emulator: Emulator, workers: int
    ) -> None:
        done = measure(emulator.url, prompts(34), warmup=2, concurrency=4, requests=32, ramp=0.2, workers=workers)
        ramped, measured = done.of("warmup"), done.of("measured")
        assert len(measured) == 32
        assert max(row["due"] for row in ramped) < min(row["due"] for row in measured)
        assert {row["prompt_id"] for row in ramped} == {"p0", "p1"}
        assert not {"p0", "p1"} & {row["prompt_id"] for row in measured}
        assert len({row["request_id"] for row in done.rows}) == len(done.rows)

    def test_the_window_begins_after_the_ramp(self, measure: Measure, emulator: Emulator) -> None:
        done = measure(emulator.url, prompts(9), warmup=1, concurrency=2, requests=8, ramp=0.1)
        assert done.window[0] == pytest.approx(min(row["due"] for row in done.of("measured")), abs=1e-6)


class TestTrace:
    def test_it_is_followed_exactly(self, measure: Measure, emulator: Emulator) -> None:
        times = (10.0, 10.01, 10.05, 10.05, 10.2)
        done = measure(emulator.url, prompts(5), trace=times, arrival="trace", workers=2)
        due = [row["due"] - done.rows[0]["due"] for row in done.rows]
        assert due == pytest.approx([time - 10 for time in times], abs=1e-6)
        assert done.run.stop_reason == "requests"

    def test_the_warm_up_comes_before_it(self, measure: Measure, emulator: Emulator) -> None:
        done = measure(emulator.url, prompts(5), warmup=2, trace=(0.0, 0.1, 0.2), arrival="trace")
        assert len(done.of("warmup")) == 2
        assert done.window[1] - done.window[0] == pytest.approx(0.3, abs=0.002)

    def test_one_that_is_longer_than_the_prompts_says_so(self, measure: Measure, emulator: Emulator) -> None:
        done = measure(emulator.url, prompts(2), trace=(0.0, 0.01, 0.02), arrival="trace")
        assert (len(done.rows), done.run.stop_reason) == (2, "prompts")


class TestTimeouts:
    def test_to_the_first_byte(self, measure: Measure, scripted: Scripted) -> None:
        server = scripted([lambda peer: (peer.request(), peer.head())])
        (row,) = measure(server.url, prompts(1), first_byte_timeout=0.2, timeout=20).rows
        assert row["error"] == "timeout"
        assert row["error_message"] == "no byte of the response within 0.2 s of its sending"

    def test_between_bytes(self, measure: Measure, scripted: Scripted) -> None:
        def begin(peer: Peer) -> None:
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{")
            peer.head()

        server = scripted([begin])
        (row,) = measure(server.url, prompts(1), read_timeout=0.2, first_byte_timeout=10, timeout=20).rows
        assert (row["error"], row["error_message"]) == ("timeout", "no further byte of the response within 0.2 s")

    def test_a_stream_that_goes_on_is_left_alone(self, measure: Measure) -> None:
        with launch(Behaviour(ttft=Constant(0.05), itl=Constant(0.05), tokens=Constant(10))) as emulator:
            (row,) = measure(emulator.url, prompts(1), read_timeout=0.3, first_byte_timeout=0.3).rows
        assert row["error"] is None
        assert row["end"] - row["sent"] > 0.3


class TestStopping:
    def test_a_dead_endpoint_ends_its_level(self, measure: Measure) -> None:
        with launch(SLOW) as emulator:
            url = emulator.url
        done = measure(url, prompts(4), concurrency=2, duration=60, prompt_reuse="allowed", stop_on_error_rate=1.0)
        assert done.run.stop_reason == "error_rate"
        assert "of the last" in (done.run.stop_note or "")
        begin, end = done.window
        assert end - begin < 30

    def test_one_that_refuses_ends_its_level(self, measure: Measure) -> None:
        refused = [f"[[fault:rate_limit]] {n}" for n in range(4)]
        with launch(SLOW) as emulator:
            done = measure(
                emulator.url,
                refused,
                concurrency=2,
                duration=60,
                prompt_reuse="allowed",
                think_time=0.01,
                stop_on_error_rate=1.0,
            )
        assert done.run.stop_reason == "error_rate"
        assert {row["error"] for row in done.rows} == {"http_429"}

    @pytest.mark.parametrize("until", ["ci_p50 < 50%", "ci_TTFT_p50 < 50%"])
    def test_a_level_that_knows_enough(self, measure: Measure, emulator: Emulator, until: str) -> None:
        spread = random.Random(3)
        done = measure(
            emulator.url,
            prompts(4),
            concurrency=2,
            duration=60,
            prompt_reuse="allowed",
            until=parse_precision(until),
            on_progress=lambda _: [spread.uniform(0.09, 0.11) for _ in range(300)],
        )
        assert done.run.stop_reason == "precision"
        assert "50.0% was requested" in (done.run.stop_note or "")
        assert not [row for row in done.rows if row["error"]]  # what was in flight has ended

    def test_one_that_ends_by_itself_has_no_note(self, measure: Measure, emulator: Emulator) -> None:
        done = measure(emulator.url, prompts(3), requests=3, stop_on_error_rate=1.0)
        assert (done.run.stop_reason, done.run.stop_note) == ("requests", None)


def test_copies_in_turn(measure: Measure) -> None:
    with launch(SLOW) as slow, launch(Behaviour(ttft=Constant(0.001), tokens=Constant(1))) as quick:
        done = measure(
            [slow.url, quick.url], prompts(12), concurrency=2, requests=12, balance="round_robin", duration=None
        )
    asked = [row["endpoint"] for row in done.rows]
    assert asked == [slow.url, quick.url] * 6


def test_gamma_arrivals_are_sent_as_drawn(measure: Measure, emulator: Emulator) -> None:
    done = measure(emulator.url, prompts(20), request_rate=200, arrival="gamma", burstiness=0.25, requests=20)
    drawn = level_offsets(load(arrival="gamma", burstiness=0.25), 200, "1", 0, Span(20, 0.1))
    expected = [next(drawn) for _ in range(20)]
    due = [row["due"] for row in done.rows]
    assert [one - due[0] for one in due] == pytest.approx([one - expected[0] for one in expected], abs=1e-6)
