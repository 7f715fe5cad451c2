"""Records from exchanges whose every stamp is known.

Times are milliseconds of the monotonic clock; the wall clock is 1,000 ms ahead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmbench_lib.load.recording.parsed_response import parse_response
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending import spool
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.http import ResponseEnd
from fmbench_lib.load.sending.spool import Spooled
from fmbench_lib.predictors.base import HttpResponse
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey

GOLDEN = Path(__file__).parents[2] / "predictors" / "data"
URL = "http://h/v1/chat/completions"
CLOCKS = ClockPair.from_samples([(0, 10**9), (10**10, 11 * 10**9)])  # wall = monotonic + 1000 ms throughout
PROMPTS = [SentPrompt("q1", 30), SentPrompt("q2", 40)]

MakeSpooled = Callable[..., Spooled]


class Words:
    """A tokenizer that counts words."""

    is_estimate = True

    def count(self, text: str) -> int:
        return len(text.split())


class Exact(Words):
    is_estimate = False


def record(exchange: Spooled, tokenizer: Any = None, clocks: ClockPair = CLOCKS, urls: Sequence[str] = (URL,)) -> Any:
    recorder = Recorder(
        OpenAiPredictor(URL),
        [SentPrompt("q1", 30), SentPrompt("q2", 40)],
        urls,
        LevelKey("exp", "p", "load"),
        tokenizer,
    )
    return recorder.row(exchange, clocks, "L")


def ms(unix: float | None) -> float | None:
    """Milliseconds of the monotonic clock again."""
    return None if unix is None else round((unix - 1) * 1000, 6)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def event(**delta: Any) -> bytes:
    data = b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def last(**more: Any) -> bytes:
    closing = {"choices": [{"delta": {}, "finish_reason": "stop"}], **more}
    data = b"data: " + json.dumps(closing).encode() + b"\n\ndata: [DONE]\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data) + END


USAGE = {"usage": {"prompt_tokens": 31, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}}


class TestTimes:
    def test_a_stream_by_the_kernels_stamps(self, spooled: MakeSpooled) -> None:
        reads = [
            (HEAD, 21.0, 1020.0),
            (event(role="assistant", content=""), 30.5, 1030.0),
            (event(reasoning_content="hm") + event(content="one"), 42.0, 1040.0),
            (event(content=" two"), 50.1, 1050.0),
            (last(**USAGE), 60.5, 1060.0),
        ]
        row = record(spooled(reads, due=10, connect=2, sent=13, end=61))
        times = {name: ms(row[name]) for name in ("due", "sent", "first", "first_answer", "last", "end")}
        assert times == {"due": 10, "sent": 13, "first": 40, "first_answer": 40, "last": 50, "end": 60}
        assert [ms(at) for at in row["event_times"]] == [40, 40, 50]
        assert row["connect_s"] == pytest.approx(0.002)
        assert row["schedule_lag"] == pytest.approx(0.001)  # 13 - 10 - 2
        assert row["client_lag"] == pytest.approx(0.002)  # the third read: 42 - 40
        assert (row["stamp_source"], row["streamed"], row["error"]) == ("kernel", True, None)
        assert (row["request_id"], row["prompt_id"], row["phase"]) == ("L-0", "q1", "measured")

    def test_the_first_answer_is_not_the_first_thought(self, spooled: MakeSpooled) -> None:
        reads = [(HEAD + event(reasoning="a"), 20, 1020), (event(content="b"), 30, 1030), (last(), 40, 1040)]
        row = record(spooled(reads))
        assert (ms(row["first"]), ms(row["first_answer"])) == (20, 30)

    def test_only_thoughts_give_no_first_answer(self, spooled: MakeSpooled) -> None:
        row = record(spooled([(HEAD + event(reasoning="a") + last(), 20, 1020)]))
        assert (ms(row["first"]), row["first_answer"], row["error"]) == (20, None, None)

    def test_an_event_counts_from_the_read_that_completed_it(self, spooled: MakeSpooled) -> None:
        whole = event(content="split over three reads")
        reads = [
            (HEAD + whole[:20], 20, 1020),
            (whole[20:-5], 30, 1030),
            (whole[-5:], 40, 1040),  # the line's end is in here
            (last(), 50, 1050),
        ]
        assert [ms(at) for at in record(spooled(reads))["event_times"]] == [40]

    def test_a_whole_answer_has_a_latency_and_no_first_token(self, spooled: MakeSpooled) -> None:
        body = json.dumps({"choices": [{"message": {"content": "hi there"}}], **USAGE}).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
        row = record(spooled([(head, 20, 1020), (body[:5], 30, 1030), (body[5:], 40, 1040)], due=5))
        assert (row["streamed"], row["first"], row["first_answer"], row["event_times"]) == (False, None, None, [])
        assert (ms(row["last"]), ms(row["end"])) == (40, 40)
        assert (row["completion"], row["completion_tokens"]) == ("hi there", 9)

    def test_nothing_sent_nothing_timed(self, spooled: MakeSpooled) -> None:
        row = record(spooled(due=10, sent=None, end=15, error="connect", message="Connection refused"))
        assert (ms(row["due"]), ms(row["end"])) == (10, 15)
        for name in ("sent", "first", "last", "connect_s", "schedule_lag", "client_lag", "stamp_source", "status"):
            assert row[name] is None
        assert (row["error"], row["error_message"]) == ("connect", "Connection refused")

    def test_a_failure_ends_when_we_gave_up_not_when_something_last_came(self, spooled: MakeSpooled) -> None:
        reads = [(HEAD + event(content="a"), 20, 1020)]
        row = record(spooled(reads, end=5000, error="timeout", message="late", flags=spool.MEASURED))
        assert (ms(row["last"]), ms(row["end"]), row["error"]) == (20, 5000, "timeout")


class TestStamps:
    READS = ((HEAD + event(content="a"), 21.0, 1020.0), (last(), 31.0, 1030.0))

    def test_one_read_without_a_kernel_stamp_makes_all_of_the_record_user(self, spooled: MakeSpooled) -> None:
        row = record(spooled([self.READS[0], (last(), 31.0, None)]))
        assert (row["stamp_source"], row["client_lag"]) == ("user", None)
        assert (ms(row["first"]), ms(row["end"])) == (21, 31)

    def test_a_clock_that_was_set_in_between_is_not_trusted(self, spooled: MakeSpooled) -> None:
        stepped = ClockPair.from_samples([(0, 10**9), (25 * 10**6, 10**9 + 75 * 10**6)])  # forward by 50 ms
        row = record(spooled(self.READS), clocks=stepped)
        assert (row["stamp_source"], ms(row["first"])) == ("user", 21)

    def test_a_clock_that_was_set_before_moves_nothing(self, spooled: MakeSpooled) -> None:
        hour = 3600 * 10**9
        stepped = ClockPair.from_samples([(0, 10**9), (10**6, 10**9 + 10**6 + hour), (10**8, 10**9 + 10**8 + hour)])
        row = record(spooled(self.READS, offset_ms=3_600_000), clocks=stepped)
        assert (row["stamp_source"], ms(row["first"]), ms(row["end"])) == ("kernel", 20, 30)

    def test_nothing_arrives_after_it_was_read(self, spooled: MakeSpooled) -> None:
        row = record(spooled([(HEAD + event(content="a") + last(), 20.0, 1020.002)]))
        assert (ms(row["first"]), row["client_lag"]) == (20, 0)

    def test_bytes_of_a_connection_arrive_in_their_order(self, spooled: MakeSpooled) -> None:
        reads = [(HEAD + event(content="a"), 30.0, 1020.0), (event(content="b"), 31.0, 1019.9), (last(), 40, 1040)]
        times = record(spooled(reads))["event_times"]
        assert times == sorted(times)


class TestTokens:
    def stream(self, spooled: MakeSpooled, **more: Any) -> Spooled:
        reads = [(HEAD + event(reasoning="so so"), 20, 1020), (event(content="four words of answer"), 30, 1030)]
        return spooled([*reads, (last(**more), 40, 1040)], prompt=1)

    def counts(self, row: Any) -> tuple[Any, ...]:
        return row["prompt_tokens"], row["completion_tokens"], row["cached_tokens"], row["token_source"]

    def test_the_servers_own_count_comes_first(self, spooled: MakeSpooled) -> None:
        assert self.counts(record(self.stream(spooled, **USAGE), Exact())) == (31, 9, 4, "server")

    def test_without_it_the_tokenizer_counts_thoughts_too(self, spooled: MakeSpooled) -> None:
        assert self.counts(record(self.stream(spooled), Exact())) == (40, 5, None, "tokenizer")

    def test_an_estimate_is_called_one(self, spooled: MakeSpooled) -> None:
        assert self.counts(record(self.stream(spooled), Words())) == (40, 5, None, "words")

    def test_half_a_usage_is_completed_and_marked(self, spooled: MakeSpooled) -> None:
        half = {"usage": {"prompt_tokens": 31}}
        both = "prompt:server+completion:tokenizer"
        assert self.counts(record(self.stream(spooled, **half), Exact())) == (31, 5, None, both)

    def test_nobody_counted(self, spooled: MakeSpooled) -> None:
        assert self.counts(record(self.stream(spooled))) == (None, None, None, None)
        refused = spooled(sent=None, error="connect", message="x")
        assert self.counts(record(refused, Exact())) == (None, None, None, None)


class TestErrors:
    def of(self, exchange: Spooled) -> tuple[str | None, str | None]:
        row = record(exchange)
        return row["error"], row["error_message"]

    def test_what_the_server_said_outweighs_that_the_connection_broke(self, spooled: MakeSpooled) -> None:
        body = b'{"error": {"message": "out of memory"}}'
        raw = b"HTTP/1.1 500 x\r\ncontent-length: 100\r\n\r\n" + body
        broken = spooled([(raw, 20, 1020)], error="truncated", message="closed", flags=spool.MEASURED | spool.CLOSED)
        assert self.of(broken) == ("http_5xx", "HTTP 500: out of memory")

    def test_a_timeout_outweighs_that_the_body_is_incomplete(self, spooled: MakeSpooled) -> None:
        reads = [(HEAD + event(content="a"), 20, 1020)]
        assert self.of(spooled(reads, error="timeout", message="no complete response", flags=0)) == (
            "timeout",
            "no complete response",
        )

    def test_a_reset_after_everything_that_matters_is_still_no_success(self, spooled: MakeSpooled) -> None:
        reads = [(HEAD + event(content="a") + last()[: -len(END)], 20, 1020)]
        broken = spooled(reads, error="truncated", message="reset", flags=spool.CLOSED)
        assert self.of(broken) == ("truncated", "reset")

    @pytest.mark.parametrize(
        ("raw", "error"),
        [
            (b"SSH-2.0\r\n", "protocol"),
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "protocol"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{not", "decode"),
            (b"HTTP/1.1 429 x\r\ncontent-length: 0\r\nRetry-After: 20\r\n\r\n", "http_429"),
        ],
    )
    def test_by_its_bytes(self, spooled: MakeSpooled, raw: bytes, error: str) -> None:
        row = record(spooled([(raw, 20, 1020)]))
        assert row["error"] == error
        assert row["retry_after"] == ("20" if error == "http_429" else None)

    def test_an_error_keeps_what_came_before_it(self, spooled: MakeSpooled) -> None:
        reads = [(HEAD + event(content="par"), 20, 1020), (event(content="tial"), 30, 1030)]
        usage = {"choices": [], "usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}}
        data = b"data: " + json.dumps(usage).encode() + b"\n\n"
        reads.append((b"%x\r\n%s\r\n" % (len(data), data), 35, 1035))
        row = record(spooled(reads, error="timeout", message="late", flags=spool.MEASURED))
        assert (row["completion"], len(row["event_times"]), row["cached_tokens"]) == ("partial", 2, 2)


def test_the_endpoint_is_told_without_its_query(spooled: MakeSpooled) -> None:
    row = record(spooled(target=1, error="dns", message="x"), urls=("http://a/v1", "http://b/v1?key=secret"))
    assert row["endpoint"] == "http://b/v1"


GOLDENS = sorted(path.name for path in GOLDEN.glob("*.http"))


@pytest.mark.parametrize("name", GOLDENS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(min_value=0, max_value=10_000), max_size=40))
def test_any_cut_of_the_wires_bytes_says_the_same(name: str, spooled: MakeSpooled, places: list[int]) -> None:
    """Through the engine's own search for the end, the spool, the codec and the mapping of events to reads."""
    raw = (GOLDEN / name).read_bytes()
    edges = [0, *sorted({place % len(raw) for place in places} - {0}), len(raw)]
    pieces = [raw[start:stop] for start, stop in pairwise(edges)]
    seen: list[bytes] = []
    end = ResponseEnd(seen)
    assert [seen.append(piece) or end.look() for piece in pieces] == [False] * (len(pieces) - 1) + [True]

    reads = [(piece, 10.0 * number + 1, 1000 + 10.0 * number) for number, piece in enumerate(pieces)]
    row = record(spooled(reads))
    whole = record(spooled([(raw, 1.0, 1000.0)]))
    same = ("completion", "error", "error_message", "prompt_tokens", "completion_tokens", "cached_tokens", "status")
    assert {key: row[key] for key in same} == {key: whole[key] for key in same}
    assert len(row["event_times"]) == len(whole["event_times"])

    parsed = parse_response(raw, closed=False)
    response = HttpResponse(parsed.status, parsed.headers, parsed.body)
    events = OpenAiPredictor(URL).decode(response).events
    if row["streamed"]:
        for at, one in zip(row["event_times"], events, strict=True):
            complete = parsed.raw_offsets([one.end_offset])[0]
            read = next(number for number, edge in enumerate(edges[1:]) if edge >= complete)
            assert ms(at) == 10.0 * read
