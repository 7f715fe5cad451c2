"""What a person sees of a level that is running."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path

import pytest

from fmbench_lib.load.recording.live_figures import Onlooker, quantile
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending import spool
from fmbench_lib.load.sending.engine import Progress
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey

URL = "http://h/v1/chat/completions"
BODY = b"data: " + json.dumps({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}).encode() + b"\n\n"


def answered(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


RAW = answered(BODY)


def spooled(count: int, latency_ms: int, error: str | None = None, raw: bytes = RAW) -> bytes:
    """Exchanges that all took so long."""
    one = spool.pack(
        position=0,
        prompt=0,
        target=0,
        flags=spool.COMPLETE,
        retried=0,
        cap_wait_ns=None,
        due_ns=10**9,
        connect_ns=None,
        sent_ns=10**9,
        end_ns=10**9 + latency_ms * 10**6,
        error=error,
        message="",
        user_ns=[10**9 + latency_ms * 10**6],
        kernel=[spool.NO_STAMP],
        pieces=[raw],
    )
    return one * count


@pytest.fixture
def onlooker() -> Onlooker:
    return Onlooker(
        Recorder(OpenAiPredictor(URL), [SentPrompt("q", 1)], [URL], LevelKey("exp", "p", "load"), None), None
    )


def progress(*spools: Path, total: int | None = 100, done: int = 50) -> Progress:
    return Progress(total, time.monotonic() - 10, sent=done, done=done, errors=1, in_flight=2, spools=spools)


def test_figures_of_what_was_answered(onlooker: Onlooker, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(spooled(9, 40) + spooled(5, 9000, error="timeout"))
    seen = onlooker.look(progress(tmp_path / "a", tmp_path / "not yet there"))
    assert (seen.done, seen.total, seen.errors, seen.in_flight) == (50, 100, 1, 2)
    assert seen.ttft_p50 == pytest.approx(0.04, abs=1e-6)
    assert seen.latency_p95 == pytest.approx(0.04, abs=1e-6)  # the failures are not latencies
    assert seen.request_rate == pytest.approx(50 / seen.elapsed)
    assert seen.time_left == pytest.approx(50 / (50 / seen.elapsed))


def test_output_tokens_per_second_are_those_of_the_answers_looked_at(onlooker: Onlooker, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(spooled(3, 40))
    assert onlooker.look(progress(tmp_path / "a")).token_rate is None, "nobody has counted tokens"
    usage = b"data: " + json.dumps({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 30}}).encode()
    (tmp_path / "b").write_bytes(spooled(3, 40, raw=answered(BODY + usage + b"\n\n")))
    seen = onlooker.look(progress(tmp_path / "b"))
    assert seen.token_rate == pytest.approx(30 * 49 / seen.elapsed), "49 of 50 requests succeeded"


def test_each_exchange_is_looked_at_once_and_only_a_few_at_a_time(onlooker: Onlooker, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(spooled(30, 10))
    sizes = []
    for _ in range(3):
        onlooker.look(progress(tmp_path / "a"))
        sizes.append(len(onlooker._latency))
    assert sizes == [20, 30, 30]


def test_a_record_that_is_still_being_written_is_left_for_the_next_look(onlooker: Onlooker, tmp_path: Path) -> None:
    whole = spooled(2, 10)
    (tmp_path / "a").write_bytes(whole[:-1])
    onlooker.look(progress(tmp_path / "a"))
    assert len(onlooker._latency) == 1
    (tmp_path / "a").write_bytes(whole)
    onlooker.look(progress(tmp_path / "a"))
    assert len(onlooker._latency) == 2


def test_before_the_first_answer_nothing_is_known(onlooker: Onlooker) -> None:
    seen = onlooker.look(progress(total=None, done=0))
    assert (seen.request_rate, seen.ttft_p50, seen.latency_p95, seen.time_left) == (None, None, None, None)


def test_time_left_is_never_negative(onlooker: Onlooker) -> None:
    onlooker.duration = 3.0
    assert onlooker.look(progress()).time_left == 0


def test_quantiles_of_few() -> None:
    assert quantile(deque(), 50) is None
    assert quantile(deque([3.0]), 95) == 3.0
    assert quantile(deque([1.0, 2.0, 3.0]), 50) == 2.0
