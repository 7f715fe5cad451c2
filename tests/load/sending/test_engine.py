"""Levels sent for real: what is in flight, when a level ends, what its records say beside what the endpoint did."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from fmbench_lib.emulator import Behaviour, Constant, Emulator, LogNormal, launch
from fmbench_lib.emulator.launching import Tls
from fmbench_lib.errors import EndpointError, InputError, WorkerError
from fmbench_lib.load.levels.arrivals.exact_spans import Span
from fmbench_lib.load.levels.arrivals.schedule import level_offsets
from fmbench_lib.load.sending.engine import Progress, worker_count, workers_of
from tests.load.conftest import self_signed
from tests.load.level_builder import load, make_level

Measure = Callable[..., Any]
Workers = Callable[[], list[psutil.Process]]

MICROSECOND = 1e-6


def prompts(count: int, text: str = "Say something about number") -> list[str]:
    return [f"{text} {number}" for number in range(count)]


def in_flight(rows: list[dict[str, Any]]) -> list[tuple[float, int]]:
    """How many requests were under way from each moment on at which that changed."""
    changes = sorted([(row["end"], -1) for row in rows] + [(row["due"], 1) for row in rows])
    level, steps = 0, []
    for at, change in changes:
        level += change
        steps.append((at, level))
    return steps


class TestClosedLoop:
    @pytest.mark.parametrize(("concurrency", "workers"), [(1, 1), (3, 1), (3, 2), (8, 1), (8, 2)])
    def test_exactly_so_many_are_in_flight_from_start_to_stop(
        self, measure: Measure, concurrency: int, workers: int
    ) -> None:
        slow = Behaviour(ttft=LogNormal(0.08, 0.02), itl=Constant(0.002), tokens=Constant(5))
        with launch(slow) as emulator:
            level = measure(
                emulator.url,
                prompts(5 * concurrency),
                warmup=concurrency,
                concurrency=concurrency,
                requests=4 * concurrency,
                workers=workers,
            )
        steps = in_flight(level.rows)
        assert max(count for _, count in steps) == concurrency
        # A slot takes up its next request when it has seen the answer before; in between one is missing.
        start, stop = level.window
        held = sum(
            min(until, stop) - max(at, start)
            for (at, count), (until, _) in pairwise(steps)
            if count == concurrency and until > start and at < stop
        )
        assert held / (stop - start) > 0.8
        assert all(row["error"] is None for row in level.rows)

    def test_warmup_comes_first_has_prompts_of_its_own_and_lies_before_the_window(
        self, measure: Measure, emulator: Emulator
    ) -> None:
        level = measure(emulator.url, prompts(20), warmup=6, concurrency=3, requests=14)
        assert [row["phase"] for row in level.rows] == ["warmup"] * 6 + ["measured"] * 14
        assert [row["prompt_id"] for row in level.rows] == [f"p{number}" for number in range(20)]
        start, _ = level.window
        assert start == level.of("measured")[0]["due"]
        assert all(row["due"] <= start for row in level.of("warmup"))

    @pytest.mark.parametrize("workers", [1, 2])
    def test_every_measured_request_is_sent_inside_the_window(
        self, measure: Measure, emulator: Emulator, workers: int
    ) -> None:
        level = measure(emulator.url, prompts(40), warmup=0, concurrency=8, requests=40, workers=workers)
        start, stop = level.window
        for row in level.of("measured"):
            assert start <= row["due"] <= row["sent"] <= stop

    def test_also_those_that_had_to_connect_at_the_very_end(self, measure: Measure) -> None:
        with launch(Behaviour(ttft=Constant(0.002), itl=Constant(0), tokens=Constant(1), framing="close")) as emulator:
            level = measure(emulator.url, prompts(60), concurrency=6, requests=60)
        assert not any(row["reused"] for row in level.rows)
        start, stop = level.window
        assert all(start <= row["sent"] <= stop for row in level.of("measured"))

    def test_connections_are_kept(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, prompts(12), concurrency=2, requests=12)
        fresh = [row for row in level.rows if not row["reused"]]
        assert len(fresh) == 2
        assert all(row["connect_s"] > 0 for row in fresh)
        assert all(row["connect_s"] is None for row in level.rows if row["reused"])
        assert len({row["due"] for row in level.rows}) == 12


class TestStopping:
    def test_by_requests(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, prompts(30), warmup=2, concurrency=4, requests=10)
        assert (len(level.of("measured")), level.run.stop_reason) == (10, "requests")

    def test_by_requests_more_than_there_are_prompts(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, prompts(7), warmup=2, concurrency=2, requests=15, prompt_reuse="allowed")
        assert (len(level.of("measured")), level.run.stop_reason) == (15, "requests")
        assert {row["prompt_id"] for row in level.of("measured")} == {f"p{n}" for n in range(2, 7)}

    def test_by_prompts(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, prompts(7), warmup=2, concurrency=2, requests=15)
        assert (len(level.of("measured")), level.run.stop_reason) == (5, "prompts")

    @pytest.mark.parametrize("workers", [1, 2])
    def test_by_duration(self, measure: Measure, emulator: Emulator, workers: int) -> None:
        level = measure(
            emulator.url, prompts(10), warmup=2, concurrency=4, duration=0.3, prompt_reuse="allowed", workers=workers
        )
        start, stop = level.window
        assert level.run.stop_reason == "duration"
        sent = max(row["sent"] for row in level.of("measured"))
        assert stop - start == pytest.approx(max(0.3, sent - start), abs=5 * MICROSECOND)
        assert all(row["due"] < start + 0.3 for row in level.of("measured"))
        assert all(row["error"] is None for row in level.rows)  # those under way at the end were waited for

    def test_whichever_comes_first(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, prompts(10), concurrency=2, requests=6, duration=60.0, prompt_reuse="allowed")
        assert (len(level.rows), level.run.stop_reason) == (6, "requests")

    @pytest.mark.parametrize("workers", [1, 2])
    def test_not_by_duration_before_the_least_number_of_requests(
        self, measure: Measure, emulator: Emulator, workers: int
    ) -> None:
        level = measure(
            emulator.url,
            prompts(10),
            concurrency=2,
            duration=0.001,
            min_requests=12,
            prompt_reuse="allowed",
            workers=workers,
        )
        assert (len(level.of("measured")), level.run.stop_reason) == (12, "duration")
        start, stop = level.window
        assert all(start <= row["sent"] <= stop for row in level.of("measured"))

    def test_a_level_of_nothing_but_warmup_has_no_window(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, prompts(3), warmup=3, concurrency=1, requests=5)
        assert level.run.window_ns is None
        assert [row["phase"] for row in level.rows] == ["warmup"] * 3


class TestOpenLoop:
    @pytest.mark.parametrize("workers", [1, 2])
    @pytest.mark.parametrize("arrival", ["constant", "poisson"])
    def test_due_times_are_the_schedules_and_requests_are_sent_in_its_order(
        self, measure: Measure, emulator: Emulator, arrival: str, workers: int
    ) -> None:
        level = measure(
            emulator.url, prompts(30), warmup=5, request_rate=150.0, requests=25, arrival=arrival, workers=workers
        )
        expected = list(islice(level_offsets(load(arrival=arrival), 150.0, "1", 5, Span(25, 25 / 150.0)), 31))
        begin = level.rows[0]["due"] - expected[0]
        for row, offset in zip(level.rows, expected, strict=False):
            assert row["due"] - begin == pytest.approx(offset, abs=2 * MICROSECOND)
            assert row["sent"] >= row["due"] + (row["connect_s"] or 0)
        for number in range(workers):
            mine = [row for row in level.rows if row["worker"] == number]
            started = [row["sent"] - (row["connect_s"] or 0) for row in mine]
            assert len(mine) in (15, 30)
            assert started == sorted(started)
        start, stop = level.window
        assert start == level.of("measured")[0]["due"]
        assert stop - begin >= expected[30] - 2 * MICROSECOND
        assert level.run.stop_reason == "requests"

    def test_a_slow_endpoint_does_not_hold_the_schedule_up(self, measure: Measure) -> None:
        """Every request is under way before the first is answered: nothing waits for a free slot."""
        with launch(Behaviour(ttft=Constant(0.7), itl=Constant(0), tokens=Constant(1))) as emulator:
            level = measure(emulator.url, prompts(12), request_rate=200.0, requests=12)
        assert max(row["sent"] for row in level.rows) < min(row["first"] for row in level.rows)

    def test_by_duration(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(
            emulator.url, prompts(4), warmup=2, request_rate=100.0, duration=0.205, prompt_reuse="allowed", workers=2
        )
        assert (len(level.of("measured")), level.run.stop_reason) == (20, "duration")
        start, stop = level.window
        assert stop - start == pytest.approx(max(0.205, level.rows[-1]["sent"] - start), abs=5 * MICROSECOND)


class TestBesideTheLedger:
    @pytest.mark.parametrize("stream", [True, False])
    def test_every_request_is_found_there_with_its_tokens_and_possible_times(
        self, measure: Measure, stream: bool
    ) -> None:
        behaviour = Behaviour(
            ttft=LogNormal(0.02, 0.01), itl=LogNormal(0.003, 0.001), tokens=LogNormal(12, 5), reasoning_tokens=3
        )
        with launch(behaviour) as emulator:
            level = measure(emulator.url, prompts(40), concurrency=5, requests=40, stream=stream, workers=2)
            ledger = {entry.request_id: entry for entry in emulator.ledger()}
        assert {row["request_id"] for row in level.rows} == set(ledger)
        for row in level.rows:
            entry = ledger[row["request_id"]]
            assert (row["completion_tokens"], row["prompt_tokens"]) == (entry.tokens, entry.prompt_tokens)
            assert (row["token_source"], row["status"], row["error"]) == ("server", 200, None)
            # Nothing arrives before it was written, and nothing is received before it was sent.
            assert row["sent"] <= entry.received_ns / 1e9 + 1e-3
            assert row["last"] >= entry.writes[-1] / 1e9 - 1e-3
            if not stream:
                assert (row["first"], row["event_times"]) == (None, [])
                continue
            assert len(row["event_times"]) == entry.events
            assert row["first"] - row["sent"] >= entry.ttft - 1e-3
            assert row["last"] - row["sent"] >= entry.latency - 1e-3
            for at, written in zip(row["event_times"], entry.writes, strict=True):
                assert at >= written / 1e9 - 1e-3
            assert row["first_answer"] == (row["event_times"][3] if entry.tokens > 3 else None)
            assert row["event_times"] == sorted(row["event_times"])

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel stamps on Linux")
    def test_stamps_are_the_kernels_from_the_first_request_on(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, prompts(6), concurrency=2, requests=6)
        assert {row["stamp_source"] for row in level.rows} == {"kernel"}
        assert all(row["client_lag"] >= 0 for row in level.rows)

    def test_copies_share_the_load(self, measure: Measure) -> None:
        behaviour = Behaviour(ttft=Constant(0.01), itl=Constant(0.001), tokens=Constant(3))
        with launch(behaviour) as one, launch(behaviour) as other:
            level = measure((one.url, other.url), prompts(20), concurrency=1, requests=20)
            counts = len(one.ledger()), len(other.ledger())
        assert counts == (10, 10)
        for row in level.rows:
            assert row["endpoint"] in (one.url, other.url)

    def test_a_prompt_of_many_packets(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, [f"{'word ' * 400_000}{n}" for n in range(2)], concurrency=2, requests=2)
        assert [row["error"] for row in level.rows] == [None, None]
        assert all(row["prompt_tokens"] > 300_000 for row in level.rows)


FAULTS = {
    "reset:bytes=0": "truncated",
    "reset:bytes=30": "truncated",
    "reset:events=2": "truncated",
    "stall": "timeout",
    "stall:events=2": "timeout",
    "rate_limit:seconds=7": "http_429",
    "server_error:status=500": "http_5xx",
    "server_error:status=503": "http_5xx",
    "redirect": "protocol",
    "malformed:events=2": "decode",
    "truncated:events=2": "truncated",
    "content_length:bytes=10": "truncated",
    "content_length:bytes=-10": "protocol",
    "drip:seconds=0": None,
    "empty": "empty",
    "error:events=0": "endpoint",
    "error:events=2": "endpoint",
    "unannounced_close": None,
}


class TestFaults:
    @pytest.mark.parametrize("stream", [True, False])
    def test_each_has_its_class_and_the_others_are_unharmed(
        self, measure: Measure, emulator: Emulator, stream: bool
    ) -> None:
        wanted: list[str | None] = []
        texts: list[str] = []
        for number, (fault, error) in enumerate(FAULTS.items()):
            if not stream and fault in ("reset:events=2", "stall:events=2"):
                continue  # an answer in one piece is over before they happen
            texts += [f"[[fault:{fault}]] {number}", f"healthy {number}"]
            wanted += [error, None]
        level = measure(emulator.url, texts, concurrency=4, requests=len(texts), timeout=1.0, stream=stream, workers=2)
        found = {text: row["error"] for text, row in zip(texts, level.rows, strict=True)}
        assert found == dict(zip(texts, wanted, strict=True))
        for text, row in zip(texts, level.rows, strict=True):
            assert (row["error"] is None) == (row["error_message"] is None)
            if row["error"] is None:
                assert (row["completion_tokens"], row["finish_reason"]) == (5, "stop")
            if "rate_limit" in text:
                assert row["retry_after"] == "7"
            if stream and ":events=2" in text:
                assert len(row["event_times"]) == 2

    def test_a_timeout_ends_the_wait_and_keeps_what_came(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, ["[[fault:stall:events=3]]", "healthy"], requests=2, timeout=0.4)
        stalled, healthy = level.rows
        assert (stalled["error"], len(stalled["event_times"])) == ("timeout", 3)
        assert "within 0.4 s" in stalled["error_message"]
        assert stalled["end"] - stalled["due"] >= 0.4
        assert healthy["error"] is None
        assert healthy["due"] >= stalled["end"]

    @pytest.mark.parametrize("loop", [{"concurrency": 2}, {"request_rate": 300.0}])
    def test_a_port_where_nobody_listens(self, measure: Measure, loop: dict[str, Any]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}/v1/chat/completions"
            level = measure(url, prompts(6), requests=6, **loop)
        assert [row["error"] for row in level.rows] == ["connect"] * 6
        assert level.rows[0]["error_message"] == os.strerror(111)
        assert all(row["sent"] is None and row["status"] is None for row in level.rows)

    @pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'a' * 70}.invalid"])
    def test_a_host_that_nobody_knows(self, measure: Measure, host: str) -> None:
        level = measure(f"http://{host}/v1/chat/completions", prompts(4), concurrency=2, requests=4)
        assert [row["error"] for row in level.rows] == ["dns"] * 4
        assert level.rows[0]["error_message"].startswith(host)

    def test_a_server_that_listens_at_one_address_of_its_name_only(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url.replace("127.0.0.1", "localhost"), prompts(2), requests=2)
        assert [row["error"] for row in level.rows] == [None, None]

    def test_a_server_that_ends_in_mid_level(self, measure: Measure) -> None:
        behaviour = Behaviour(ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(3))
        with contextlib.suppress(EndpointError), launch(behaviour) as emulator:  # it will say that it ended

            def kill(progress: Progress) -> None:
                if progress.done and emulator.process.poll() is None:
                    emulator.process.kill()
                    emulator.process.wait()

            level = measure(
                emulator.url,
                prompts(10),
                concurrency=2,
                requests=3000,
                prompt_reuse="allowed",
                on_progress=kill,
                timeout=5.0,
            )
        classes = {row["error"] for row in level.rows}
        assert classes <= {None, "connect", "truncated"}
        assert {None, "connect"} <= classes
        assert len(level.rows) == 3000


class TestRetries:
    def test_an_idle_connection_that_ate_a_request_is_retried_and_recorded(
        self, measure: Measure, emulator: Emulator
    ) -> None:
        level = measure(emulator.url, ["one", "[[fault:lost_request]] two", "three"], requests=3)
        assert [row["retried"] for row in level.rows] == [0, 1, 0]
        assert [row["error"] for row in level.rows] == [None] * 3
        retried = level.rows[1]
        assert retried["reused"] is False
        assert retried["connect_s"] > 0
        assert retried["schedule_lag"] is None, "what the first try took is not the client's delay"
        assert level.rows[2]["schedule_lag"] is not None
        entries = [entry for entry in emulator.ledger() if entry.request_id == retried["request_id"]]
        assert [entry.outcome for entry in entries] == ["closed", "complete"]

    def test_never_twice(self, measure: Measure, scripted: Any, answer: bytes) -> None:
        def once_then_close(peer: Any) -> None:
            peer.request()
            peer.send(answer)
            peer.request()

        def close(peer: Any) -> None:
            peer.request()

        server = scripted([once_then_close, close])
        level = measure(server.url, prompts(2), requests=2, stream=False)
        assert [(row["error"], row["retried"]) for row in level.rows] == [(None, 0), ("truncated", 1)]
        assert len(server.received) == 3

    def test_not_on_a_connection_of_its_own(self, measure: Measure, scripted: Any) -> None:
        server = scripted([lambda peer: peer.request()])
        level = measure(server.url, prompts(3), requests=3, stream=False)
        assert [(row["error"], row["retried"]) for row in level.rows] == [("truncated", 0)] * 3
        assert len(server.received) == 3

    def test_not_when_a_part_of_the_answer_came(self, measure: Measure, scripted: Any, answer: bytes) -> None:
        def half(peer: Any) -> None:
            peer.request()
            peer.send(answer)
            peer.request()
            peer.send(answer[:20])

        server = scripted([half])
        level = measure(server.url, prompts(2), requests=2, stream=False)
        assert [(row["error"], row["retried"]) for row in level.rows] == [(None, 0), ("truncated", 0)]

    def test_a_connection_closed_while_idle_is_not_used_again(
        self, measure: Measure, scripted: Any, answer: bytes
    ) -> None:
        """Whether its end was seen in time or ate a request, each is answered once."""

        def one(peer: Any) -> None:
            peer.request()
            peer.send(answer)

        server = scripted([one])
        level = measure(server.url, prompts(8), requests=8, stream=False)
        assert [row["error"] for row in level.rows] == [None] * 8
        assert len(server.received) == 8


class TestConnections:
    def test_an_answer_before_the_request_was_out_spoils_the_connection(
        self, measure: Measure, scripted: Any, answer: bytes
    ) -> None:
        over = threading.Event()

        def refuse(peer: Any) -> None:
            peer.head()
            peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            over.wait(20)  # and reads no more of it

        def accept(peer: Any) -> None:
            peer.request()
            peer.send(answer)

        server = scripted([refuse, accept])
        level = measure(server.url, ["x" * 30_000_000, "small"], requests=2, stream=False)
        over.set()
        assert [row["error"] for row in level.rows] == ["http_4xx", None]
        assert level.rows[1]["reused"] is False

    def test_bytes_behind_an_answer_spoil_it_and_its_connection(
        self, measure: Measure, scripted: Any, answer: bytes
    ) -> None:
        def talkative(peer: Any) -> None:
            peer.request()
            peer.send(answer + b"HTTP/1.1 408 Request Timeout\r\n")
            peer.request()

        def one(peer: Any) -> None:
            peer.request()
            peer.send(answer)

        server = scripted([talkative, one])
        level = measure(server.url, prompts(2), requests=2, stream=False)
        assert [row["error"] for row in level.rows] == ["protocol", None]
        assert level.rows[1]["reused"] is False

    def test_the_key_goes_over_the_wire_and_into_no_file(
        self, measure: Measure, scripted: Any, answer: bytes, tmp_path: Path
    ) -> None:
        def one(peer: Any) -> None:
            peer.request()
            files = [path for path in tmp_path.rglob("*") if path.is_file()]
            found.extend(path.name for path in files if b"sk-secret" in path.read_bytes())
            seen.extend(path.name for path in files)
            peer.send(answer)

        found: list[str] = []
        seen: list[str] = []
        server = scripted([one])
        level = measure(server.url, ["hello"], requests=1, stream=False, api_key="sk-secret")
        assert level.rows[0]["error"] is None
        assert b"authorization: Bearer sk-secret\r\n" in server.received[0]
        assert seen
        assert found == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for localhost and 127.0.0.1 that nobody has signed."""
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost", "DNS:localhost,IP:127.0.0.1")


class TestTls:
    def test_the_same_over_tls(self, measure: Measure, certificate: Tls) -> None:
        texts = [*prompts(6), "word " * 40_000, "[[fault:reset:events=2]]", "[[fault:unannounced_close]]", "last"]
        behaviour = Behaviour(ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(5))
        with launch(behaviour, tls=certificate) as emulator:
            level = measure(emulator.url, texts, concurrency=2, requests=10, ca_bundle=str(certificate.certfile))
            ledger = {entry.request_id: entry for entry in emulator.ledger()}
        assert [row["error"] for row in level.rows] == [None] * 7 + ["truncated", None, None]
        assert any(row["reused"] for row in level.rows)
        for row in level.rows:
            entry = ledger[row["request_id"]]
            assert len(row["event_times"]) == entry.events
            assert row["first"] >= entry.writes[0] / 1e9 - 1e-3

    def test_a_certificate_that_nobody_signed(self, measure: Measure, certificate: Tls) -> None:
        with launch(tls=certificate) as emulator:
            level = measure(emulator.url, prompts(2), requests=2)
        assert [row["error"] for row in level.rows] == ["tls", "tls"]
        assert "not trusted" in level.rows[0]["error_message"]
        assert all(row["sent"] is None for row in level.rows)

    @pytest.mark.parametrize(
        ("names", "days", "words"),
        [
            ("DNS:elsewhere.example", 2, "IP address mismatch"),
            ("IP:127.0.0.1", -1, "has expired"),
        ],
    )
    def test_a_certificate_that_does_not_fit(
        self, measure: Measure, tmp_path_factory: pytest.TempPathFactory, names: str, days: int, words: str
    ) -> None:
        made = self_signed(tmp_path_factory.mktemp("tls"), "other", names, days)
        with launch(tls=made) as emulator:
            level = measure(emulator.url, prompts(1), requests=1, ca_bundle=str(made.certfile))
        (row,) = level.rows
        assert (row["error"], row["sent"]) == ("tls", None)
        assert row["error_message"].startswith("the server's certificate is not trusted: ")
        assert words in row["error_message"]

    def test_a_server_that_speaks_no_tls(self, measure: Measure, scripted: Any) -> None:
        def plain(peer: Any) -> None:
            peer.sock.recv(1000)
            peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

        server = scripted([plain])
        level = measure(server.url.replace("http:", "https:"), prompts(2), requests=2)
        assert [row["error"] for row in level.rows] == ["tls", "tls"]

    def test_a_server_that_closes_during_the_handshake(self, measure: Measure, scripted: Any) -> None:
        server = scripted([lambda peer: peer.sock.recv(1000)])
        level = measure(server.url.replace("http:", "https:"), prompts(2), requests=2)
        assert [row["error"] for row in level.rows] == ["tls", "tls"]
        assert "during the handshake" in level.rows[0]["error_message"]


class TestWorkers:
    @pytest.mark.parametrize(
        ("asked", "concurrency", "cores", "count"),
        [
            (None, 8, 4, 3),
            (None, 2, 4, 2),
            (None, 8, 1, 1),
            (3, 8, 1, 3),
            (3, 1, 8, 1),
            (None, None, 4, 3),
            (2, None, 1, 2),
        ],
    )
    def test_count(
        self, monkeypatch: pytest.MonkeyPatch, asked: int | None, concurrency: int | None, cores: int, count: int
    ) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        assert worker_count(asked, concurrency) == count

    @pytest.mark.parametrize(
        ("settings", "count"),
        [
            ({"request_rate": 50.0}, 3),
            ({"request_rate": 50.0, "max_concurrency": 8}, 1),  # one counter for the cap
            ({"request_rate": 50.0, "max_concurrency": 8, "workers": 2}, 2),
            ({"concurrency": 8}, 3),
            ({"concurrency": 8, "urls": ("http://a/", "http://b/")}, 1),  # one counter for each address
            ({"concurrency": 8, "urls": ("http://a/", "http://b/"), "balance": "round_robin"}, 3),
        ],
    )
    def test_what_is_counted_over_the_level_is_counted_by_one(
        self, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], count: int
    ) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
        level = {"urls": ("http://a/",), "warmup": (), "measured": (0,), "seed": "1", **settings}
        assert workers_of(make_level(**level)) == count

    def test_shares_add_up(self, measure: Measure, emulator: Emulator) -> None:
        level = measure(emulator.url, prompts(20), concurrency=5, requests=20, workers=3)
        fresh = [row["worker"] for row in level.rows if not row["reused"]]
        assert sorted(fresh) == [0, 0, 1, 1, 2]
        assert len(level.run.workers) == 3

    def test_only_the_standard_library_is_loaded(self) -> None:
        code = (
            "import sys, fmbench_lib.load.sending.worker; "
            "print(*sorted({n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)))"
        )
        said = subprocess.run([sys.executable, "-S", "-c", code], env=environment(), capture_output=True, check=True)
        assert said.stdout.split() == [b"__main__", b"fmbench_lib"]

    def test_one_that_is_killed_is_an_error_with_its_reason(
        self, measure: Measure, emulator: Emulator, workers: Workers
    ) -> None:
        def kill(progress: Progress) -> None:
            if progress.sent:
                workers()[0].kill()

        with pytest.raises(WorkerError, match=r"load worker \d was killed by signal 9"):
            measure(emulator.url, ["[[fault:stall]]"] * 4, concurrency=4, requests=4, workers=2, on_progress=kill)
        assert workers() == []

    def test_one_that_breaks_down_says_why(
        self, measure: Measure, emulator: Emulator, workers: Workers, tmp_path: Path
    ) -> None:
        url = emulator.url.replace("http:", "https:")
        with pytest.raises(WorkerError, match=r"load worker 0 ended with exit code 1: .*No such file"):
            measure(url, prompts(2), requests=2, ca_bundle=str(tmp_path / "missing.pem"))
        assert workers() == []

    def test_an_interrupt_leaves_no_worker(self, measure: Measure, emulator: Emulator, workers: Workers) -> None:
        def interrupt(progress: Progress) -> None:
            if progress.in_flight == 4:
                raise KeyboardInterrupt

        stalls = ["[[fault:stall]]"] * 4
        with pytest.raises(KeyboardInterrupt):
            measure(emulator.url, stalls, concurrency=4, requests=4, workers=2, on_progress=interrupt)
        assert workers() == []

    def test_what_cannot_be_sent_starts_none(self, measure: Measure, workers: Workers) -> None:
        with pytest.raises(InputError):
            measure("http://127.0.0.1:99999/v1/chat/completions", prompts(2), requests=2)
        assert workers() == []

    def test_none_outlives_an_engine_that_is_killed(self, emulator: Emulator, tmp_path: Path) -> None:
        code = f"""
from pathlib import Path
import psutil
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.load.sending.level import Level
from fmbench_lib.predictors.openai import OpenAiPredictor
requests = [OpenAiPredictor({emulator.url!r}).encode("[[fault:stall]]")] * 2
load = load_settings(LoadSection(workers=2, timeout=60))
level = Level(({emulator.url!r},), (), (0, 1), "1", load, StopRule(2), concurrency=2)
tell = lambda progress: progress.in_flight == 2 and print(*(p.pid for p in psutil.Process().children()), flush=True)
run_level(level, requests, Path({str(tmp_path)!r}), tell)
"""
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment()) as engine:
            assert engine.stdout is not None
            found = [psutil.Process(int(pid)) for pid in engine.stdout.readline().split()]
            engine.send_signal(signal.SIGKILL)
        assert len(found) == 2
        _, alive = psutil.wait_procs(found, timeout=20)
        assert alive == []

    def test_progress_counts_up_to_the_end(self, measure: Measure, emulator: Emulator) -> None:
        seen: list[tuple[int, int, int]] = []
        measure(
            emulator.url,
            prompts(12),
            warmup=2,
            concurrency=3,
            requests=10,
            on_progress=lambda progress: seen.append((progress.sent, progress.done, progress.errors)),
        )
        assert seen == sorted(seen)
        assert seen[-1] == (12, 12, 0)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
