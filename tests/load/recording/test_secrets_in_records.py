"""A server that repeats the key it was sent, wherever a record quotes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.secret_forms import REMOVED
from fmbench_lib.load.recording.live_figures import Onlooker
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.spool import HEADER, NO_STAMP, Spooled, masked_records, pack, read_spool, whole_bytes
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey

KEY = "plumKestrel42-of-no-known-form"
CLOCKS = ClockPair.from_samples([(0, 10**9), (10**10, 11 * 10**9)])
REDACTOR = Redactor.of([KEY])

MakeSpooled = Callable[..., Spooled]


def recorder(redactor: Redactor | None = REDACTOR) -> Recorder:
    url = f"http://h/{KEY}/chat?key=1"
    return Recorder(OpenAiPredictor(url), [SentPrompt("q1", 3)], [url], LevelKey("e", "p", "l"), None, redactor)


def answer(status: str, content: Any, *headers: str) -> bytes:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = "\r\n".join((f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""))
    return head.encode() + body


def record(spooled: MakeSpooled, raw: bytes, **more: Any) -> Any:
    return recorder().row(spooled([(raw, 20.0, 1020.0)], due=10, sent=12, end=21, **more), CLOCKS, "L")


def test_every_text_of_a_success_is_cleaned(spooled: MakeSpooled) -> None:
    choice = {"message": {"content": f"your key is {KEY}"}, "finish_reason": f"stop {KEY}"}
    raw = answer("200 OK", {"id": KEY, "choices": [choice]}, f"x-request-id: r-{KEY}", f"retry-after: {KEY}")
    row = record(spooled, raw)
    assert row["error"] is None
    assert row["completion"] == f"your key is {REMOVED}"
    assert row["finish_reason"] == f"stop {REMOVED}"
    assert row["server_request_id"] == f"r-{REMOVED}"
    assert row["retry_after"] == REMOVED
    assert row["endpoint"] == f"http://h/{REMOVED}/chat"


@pytest.mark.parametrize("before", range(440, 500, 7))
def test_no_piece_of_a_key_is_left_where_a_message_is_cut(spooled: MakeSpooled, before: int) -> None:
    row = record(spooled, answer("401 No", {"error": {"message": "x" * before + KEY}}))
    assert row["error"] == "http_4xx"
    assert row["error_message"].startswith("HTTP 401: xxx")
    assert len(row["error_message"]) <= 500
    assert "plum" not in row["error_message"]


@pytest.mark.parametrize("before", range(30, 80, 5))
@pytest.mark.parametrize("status", ["200 OK", ""])
def test_no_piece_is_left_where_bytes_are_quoted(spooled: MakeSpooled, before: int, status: str) -> None:
    text = b"y" * before + KEY.encode()
    row = record(spooled, answer(status, [text.decode()]) if status else text + b"\r\n\r\n")
    assert row["error"] in ("decode", "protocol")
    assert "yyyy" in row["error_message"]
    assert "plum" not in row["error_message"]


def test_what_a_model_says_of_passwords_stays(spooled: MakeSpooled) -> None:
    text = "Set PASSWORD=swordfish and token: abc."
    row = record(spooled, answer("200 OK", {"choices": [{"message": {"content": text}}]}))
    assert row["completion"] == text


def test_nothing_is_cleaned_while_the_level_runs() -> None:
    assert Onlooker(recorder(), None).recorder.redactor is None


def test_raw_responses_keep_their_bytes_but_for_secrets(tmp_path: Path) -> None:
    raw = answer("200 OK", {"id": KEY})
    record = pack(
        position=1, prompt=0, target=0, flags=0, retried=0, due_ns=1, cap_wait_ns=None, connect_ns=None, sent_ns=2,
        end_ns=3, error="connect", message=f"to {KEY}", user_ns=[1, 2], kernel=[NO_STAMP, NO_STAMP],
        pieces=[raw[:50], raw[50:]],
    )  # fmt: skip
    path, masked = tmp_path / "spool", tmp_path / "masked"
    path.write_bytes(record + record + record[: HEADER.size + 5])
    assert whole_bytes(path) == 2 * len(record)
    masked.write_bytes(b"".join(masked_records(path, REDACTOR.masked)))
    assert masked.stat().st_size == 2 * len(record)
    for (_, before), (_, after) in zip(read_spool(path), read_spool(masked), strict=True):
        assert after.raw == before.raw.replace(KEY.encode(), b"*" * len(KEY))
        assert after.message == f"to {'*' * len(KEY)}"
        assert (after.read_ends, after.user_ns, after.end_ns) == (before.read_ends, before.user_ns, before.end_ns)


def test_what_a_server_says_is_one_line_without_what_a_terminal_obeys(spooled: MakeSpooled) -> None:
    said = "\x1b[31mbusy\x1b[0m\r\n\u202eat\x9b2J \u200bnode 7"
    raw = answer("503 Busy", {"message": said}, "retry-after: 3\x1b[2J")
    row = record(spooled, raw)
    assert (row["error_message"], row["retry_after"]) == ("HTTP 503: busy at node 7", "3")


@pytest.mark.parametrize("hidden", ["\u200b", "\x1b[0m", "\x00", "\u2060"])
def test_a_key_with_something_unseen_in_it(spooled: MakeSpooled, hidden: str) -> None:
    row = record(spooled, answer("401 Unauthorized", {"message": f"no such key: {KEY[:7]}{hidden}{KEY[7:]}"}))
    assert row["error_message"].rstrip("*").removesuffix(REMOVED) == "HTTP 401: no such key: "
