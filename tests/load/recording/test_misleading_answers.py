"""Answers that mislead a client, byte for byte as servers and proxies send them, and the records that are right.

Each piece of a body arrives in a read of its own, 10 ms after the one before; the first one 20 ms after the request was
sent. Tokens are estimated as two per word where the server does not count.
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any
from zlib import crc32

import pytest

from fmbench_lib.config.schema.json_path import path_steps
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.spool import Spooled
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.bedrock_invoke import InvokeModelPredictor
from fmbench_lib.predictors.echo import PromptMark
from fmbench_lib.predictors.generate import GeneratePredictor
from fmbench_lib.predictors.llama_cpp import LlamaCppPredictor
from fmbench_lib.predictors.ollama import OllamaPredictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.rest import RestPredictor, RestTemplate
from fmbench_lib.predictors.sagemaker import SageMakerPredictor
from fmbench_lib.predictors.triton import TritonPredictor
from fmbench_lib.workspace import LevelKey

CLOCKS = ClockPair.from_samples([(0, 10**9), (10**10, 11 * 10**9)])
PROMPT = "Which river is the longest of the two?"
SSE, NDJSON, JSON = "text/event-stream", "application/x-ndjson", "application/json"
AWS = "application/vnd.amazon.eventstream"
DONE = b"data: [DONE]\n\n"

MakeSpooled = Callable[..., Spooled]
Answer = Callable[..., dict[str, Any]]


class TwoAWord:
    is_estimate = True

    def count(self, text: str) -> int:
        return 2 * len(text.split())


OPENAI = OpenAiPredictor("http://h/v1/chat/completions")
BEDROCK = ConversePredictor("http://h/model/anthropic.claude-x")
REST = RestPredictor(
    "http://h/ask",
    RestTemplate(
        body={"q": "{prompt}"},
        text=(path_steps("$.words"),),
        prompt_tokens=path_steps("$.read"),
        completion_tokens=path_steps("$.written"),
    ),
)
CODECS: dict[str, Predictor] = {
    "openai": OPENAI,
    "tgi": GeneratePredictor("http://h/generate", "tgi"),
    "djl": GeneratePredictor("http://h/invocations", "djl"),
    "triton": TritonPredictor("http://h/v2/models/m/generate"),
    "ollama": OllamaPredictor("http://h/api/chat"),
    "llama_cpp": LlamaCppPredictor("http://h/completion"),
    "rest": REST,
    "sagemaker": SageMakerPredictor("http://h/endpoints/e/invocations"),
    "bedrock": BEDROCK,
    "bedrock_invoke": InvokeModelPredictor("http://h/model/anthropic.claude-x"),
}


@pytest.fixture
def answer(spooled: MakeSpooled) -> Answer:
    """The record of an answer whose body arrives in these pieces."""

    def make(
        *pieces: bytes,
        codec: Predictor = OPENAI,
        kind: str = SSE,
        status: str = "200 OK",
        headers: str = "",
        prompt: str = PROMPT,
        at_once: bool = False,
        **exchange: Any,
    ) -> dict[str, Any]:
        body = b"".join(pieces)
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{headers}\r\n".encode()
        parts = [head + body] if at_once else [head, *pieces]
        reads = [(part, 20 + 10 * n, 1020 + 10 * n) for n, part in enumerate(parts)]
        recorder = Recorder(
            codec, [SentPrompt("q", 16, PromptMark.of(prompt))], ["http://h"], LevelKey("e", "p", "l"), TwoAWord()
        )
        return dict(recorder.row(spooled(reads, sent=0, **exchange), CLOCKS, "L"))

    return make


def data(*objects: Any) -> list[bytes]:
    return [b"data: " + json.dumps(each).encode() + b"\n\n" for each in objects]


def lines(*objects: Any) -> list[bytes]:
    return [json.dumps(each).encode() + b"\n" for each in objects]


def delta(finish: str | None = None, index: int = 0, **parts: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": parts, "finish_reason": finish}]}


def usage(*, choices: Iterable[Any] = (), **counts: Any) -> dict[str, Any]:
    return {"choices": list(choices), "usage": counts}


def words(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{**delta(content=f"w{n} "), **more} for n in range(count)]


STOP = delta("stop")
REASONED = {"completion_tokens_details": {"reasoning_tokens": 38}}
COUNTED = usage(prompt_tokens=12, completion_tokens=5)


def aws(kind: str, payload: bytes, **headers: str) -> bytes:
    """One message of an event stream."""
    named = {":event-type": kind, ":message-type": "event", **headers}
    block = b"".join(
        bytes((len(name),)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in named.items()
    )
    lengths = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    message = lengths + struct.pack(">I", crc32(lengths)) + block + payload
    return message + struct.pack(">I", crc32(message))


def converse(usage: dict[str, int], pieces: int = 5) -> list[bytes]:
    texts = [aws("contentBlockDelta", json.dumps({"delta": {"text": f"w{n} "}}).encode()) for n in range(pieces)]
    stop = aws("messageStop", b'{"stopReason": "end_turn"}')
    return [*texts, stop, aws("metadata", json.dumps({"usage": usage}).encode())]


def in_chunks(*objects: Any) -> list[bytes]:
    """The chunks of InvokeModelWithResponseStream."""
    packed = (base64.b64encode(json.dumps(each).encode()).decode() for each in objects)
    return [aws("chunk", json.dumps({"bytes": each}).encode()) for each in packed]


def counts(row: dict[str, Any]) -> tuple[Any, Any, Any]:
    return row["prompt_tokens"], row["completion_tokens"], row["token_source"]


def said(row: dict[str, Any]) -> list[str]:
    return (row["remarks"] or "").split("+") if row["remarks"] else []


class TestHeldBack:
    def test_a_decent_stream_has_nothing_to_be_said_of(self, answer: Answer) -> None:
        row = answer(*data(*words(5), STOP, COUNTED), DONE)
        assert (counts(row), row["seen_tokens"], said(row)) == ((12, 5, "server"), 5, [])

    def test_many_events_in_one_read(self, answer: Answer) -> None:
        row = answer(*data(*words(5), STOP, COUNTED), DONE, at_once=True)
        assert (len(row["event_times"]), said(row)) == (5, ["buffered"])

    def test_one_event_of_many_tokens(self, answer: Answer) -> None:
        call = delta(tool_calls=[{"index": 0, "function": {"name": "find", "arguments": '{"a": "' + "x" * 600 + '"}'}}])
        row = answer(*data(call, delta("tool_calls"), usage(prompt_tokens=12, completion_tokens=200)), DONE)
        assert (row["completion_tokens"], said(row)) == (200, ["buffered"])

    def test_streaming_that_the_server_ignored(self, answer: Answer) -> None:
        whole = {
            "choices": [{"message": {"content": "w " * 20}}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 20},
        }
        row = answer(json.dumps(whole).encode(), kind=JSON)
        assert (row["streamed"], row["first"], said(row)) == (False, None, ["not_streamed"])

    def test_what_was_asked_whole_is_whole(self, answer: Answer) -> None:
        whole = {
            "choices": [{"message": {"content": "w " * 20}}],
            "usage": {"prompt_tokens": 12, "completion_tokens": 20},
        }
        codec = OpenAiPredictor("http://h/v1/chat/completions", stream=False)
        assert said(answer(json.dumps(whole).encode(), kind=JSON, codec=codec)) == []

    def test_a_packed_stream_keeps_the_times_of_its_reads(self, answer: Answer) -> None:
        packer = zlib.compressobj(wbits=31)
        events = [*data(*words(3), STOP, usage(prompt_tokens=12, completion_tokens=3)), DONE]
        pieces = [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in events]
        row = answer(*pieces, packer.flush(), headers="content-encoding: gzip\r\n")
        assert (row["error"], row["completion"], counts(row)) == (None, "w0 w1 w2 ", (12, 3, "server"))
        assert [round(1000 * (at - 1)) for at in row["event_times"]] == [30, 40, 50]

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_a_packed_whole_body(self, answer: Answer, coding: str) -> None:
        body = json.dumps({"choices": [{"message": {"content": "yes"}}]}).encode()
        packed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
        row = answer(packed[:9], packed[9:], kind=JSON, headers=f"content-encoding: {coding}\r\n")
        assert (row["error"], row["completion"]) == (None, "yes")

    @pytest.mark.parametrize("coding", ["identity", "none", "UTF-8", "identity, identity", "", "gzip, identity"])
    def test_codings_that_mean_nothing(self, answer: Answer, coding: str) -> None:
        body = json.dumps({"choices": [{"message": {"content": "yes"}}]}).encode()
        packed = gzip.compress(body) if "gzip" in coding else body
        row = answer(packed, kind=JSON, headers=f"content-encoding: {coding}\r\n")
        assert (row["error"], row["completion"]) == (None, "yes")

    @pytest.mark.parametrize("protocol", ["openai", "triton", "ollama"])
    @pytest.mark.parametrize("missing", [1, 8, 12])
    def test_a_packed_body_without_its_end_is_truncated(self, answer: Answer, protocol: str, missing: int) -> None:
        pieces, kind = ENDED[protocol]
        packed = gzip.compress(b"".join(pieces))[:-missing]
        row = answer(packed, codec=CODECS[protocol], kind=kind, headers="content-encoding: gzip\r\n")
        assert row["error"] == "truncated"

    @pytest.mark.parametrize("protocol", ["openai", "triton", "ollama"])
    def test_each_event_packed_by_itself(self, answer: Answer, protocol: str) -> None:
        pieces, kind = ENDED[protocol]
        packed = [gzip.compress(piece) for piece in pieces]
        for at_once in (False, True):
            row = answer(
                *packed, codec=CODECS[protocol], kind=kind, headers="content-encoding: gzip\r\n", at_once=at_once
            )
            assert (row["error"], row["completion"], len(row["event_times"])) == (None, "w0 w1 w2 w3 w4 ", 5)

    def test_a_body_of_too_many_members(self, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("fmbench_lib.predictors.content_coding._MOST_MEMBERS", 4)
        packed = b"".join(map(gzip.compress, ENDED["triton"][0]))
        row = answer(packed, codec=CODECS["triton"], headers="content-encoding: gzip\r\n")
        assert (row["error"], "more than 4 members" in row["error_message"]) == ("protocol", True)

    def test_a_coding_that_cannot_be_read_is_named(self, answer: Answer) -> None:
        row = answer(b"\x00\x01", kind=JSON, headers="content-encoding: br\r\n")
        assert row["error"] == "protocol"
        assert "Content-Encoding br cannot be read" in row["error_message"]

    def test_several_choices_share_their_tokens(self, answer: Answer) -> None:
        both = [delta(content=f"w{n} ", index=index) for n in range(4) for index in (0, 1)]
        row = answer(*data(*both, STOP, usage(prompt_tokens=12, completion_tokens=8)), DONE)
        assert (row["choices"], row["seen_tokens"], said(row)) == (2, 8, ["several_choices"])


class TestCounts:
    @pytest.mark.parametrize(
        ("events", "expected"),
        [
            ([*words(5), STOP, usage(prompt_tokens=0, completion_tokens=0)], (16, 10, "words")),
            ([*words(5), STOP, usage(prompt_tokens=0, completion_tokens=5, total_tokens=17)], (12, 5, "server")),
            ([*words(5), STOP, usage(prompt_tokens=12, completion_tokens=0, total_tokens=17)], (12, 5, "server")),
            (
                [*words(5), STOP, usage(prompt_tokens=0, completion_tokens=5)],
                (16, 5, "prompt:words+completion:server"),
            ),
            (
                [*words(5), STOP, usage(prompt_tokens=9, completion_tokens=0, **REASONED)],
                (9, 38, "server"),
            ),
            ([*words(5), STOP, {"usage": None, "choices": []}], (16, 10, "words")),
            ([*words(5), STOP, usage(prompt_tokens="12", completion_tokens=5.0)], (12, 5, "server")),
            ([*words(5), STOP, usage(prompt_tokens=-1, completion_tokens=-1)], (16, 10, "words")),
            ([*words(5), STOP, COUNTED, usage()], (12, 5, "server")),
            ([*words(5), STOP, COUNTED, usage(prompt_tokens=0, completion_tokens=0)], (12, 5, "server")),
            ([*words(5), STOP, COUNTED, {"choices": [], "usage": None}], (12, 5, "server")),
            ([usage(prompt_tokens=12), *words(5), STOP, usage(completion_tokens=5)], (12, 5, "server")),
            ([usage(prompt_tokens=12, completion_tokens=0), *words(5), STOP, COUNTED], (12, 5, "server")),
            ([*words(5), {"choices": [{**STOP["choices"][0], "usage": COUNTED["usage"]}]}], (12, 5, "server")),
            ([*words(5), STOP, usage(input_tokens=12, output_tokens=5)], (12, 5, "server")),
            (
                [
                    {**event, "usage": {"prompt_tokens": 12, "completion_tokens": n + 1}}
                    for n, event in enumerate(words(5))
                ]
                + [STOP],
                (12, 5, "server"),
            ),
        ],
    )  # fmt: skip
    def test_an_absent_count_is_not_zero_and_erases_none(self, answer: Answer, events: Any, expected: Any) -> None:
        assert counts(answer(*data(*events), DONE)) == expected

    @pytest.mark.parametrize(
        "spelt",
        [
            {"prompt_tokens_details": {"cached_tokens": 7}},
            {"input_tokens_details": {"cached_tokens": 7}},
            {"prompt_cache_hit_tokens": 7, "prompt_cache_miss_tokens": 5},
            {"cache_read_input_tokens": 7},
            {"cached_tokens": 7},
            {"num_cached_tokens": 7},
            {"prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 7},
        ],
    )
    def test_cached_tokens_in_every_spelling(self, answer: Answer, spelt: Any) -> None:
        row = answer(*data(*words(5), STOP, usage(prompt_tokens=12, completion_tokens=5, **spelt)), DONE)
        assert (row["prompt_tokens"], row["cached_tokens"]) == (12, 7)

    def test_cached_tokens_beside_the_usage_and_in_an_earlier_one(self, answer: Answer) -> None:
        timed = {**STOP, "timings": {"cache_n": 7, "prompt_n": 5}}
        assert answer(*data(*words(5), timed, COUNTED), DONE)["cached_tokens"] == 7
        first = usage(prompt_tokens=12, completion_tokens=5, prompt_tokens_details={"cached_tokens": 7})
        assert answer(*data(*words(5), STOP, first, COUNTED), DONE)["cached_tokens"] == 7

    @pytest.mark.parametrize(
        ("last", "expected"),
        [
            ({"prompt_eval_count": 0, "eval_count": 5}, (16, 5, "prompt:words+completion:server")),
            ({"eval_count": 5}, (16, 5, "prompt:words+completion:server")),
            ({"prompt_eval_count": 30, "eval_count": 5}, (30, 5, "server")),
        ],
    )
    def test_ollama_whose_prompt_was_cached(self, answer: Answer, last: Any, expected: Any) -> None:
        said_so = [{"message": {"content": f"w{n} "}, "done": False} for n in range(5)]
        end = {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_cached_count": 20, **last}
        row = answer(*lines(*said_so, end), codec=CODECS["ollama"], kind=NDJSON)
        assert (counts(row), row["cached_tokens"]) == (expected, 20)

    @pytest.mark.parametrize(
        ("model", "sent", "prompt"),
        [
            ("anthropic.claude-x", {"inputTokens": 100, "totalTokens": 1305}, 1300),
            ("openai.gpt-oss-120b", {"inputTokens": 1300, "totalTokens": 1305}, 1300),
            ("anthropic.claude-x", {"inputTokens": 100}, 1300),
            ("openai.gpt-oss-120b", {"inputTokens": 1300}, 1300),
        ],
    )
    def test_bedrocks_cached_tokens_are_inside_or_beside(
        self, answer: Answer, model: str, sent: Any, prompt: int
    ) -> None:
        cached = {"outputTokens": 5, "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 200, **sent}
        row = answer(*converse(cached), codec=ConversePredictor(f"http://h/model/{model}"), kind=AWS)
        assert (row["prompt_tokens"], row["cached_tokens"]) == (prompt, 1000)

    def test_a_guardrail_answered_and_no_token_was_generated(self, answer: Answer) -> None:
        blocked = [
            aws("contentBlockDelta", b'{"delta": {"text": "Sorry, blocked."}}'),
            aws("messageStop", b'{"stopReason": "guardrail_intervened"}'),
            aws("metadata", b'{"usage": {"inputTokens": 0, "outputTokens": 0}}'),
        ]
        assert counts(answer(*blocked, codec=BEDROCK, kind=AWS)) == (0, 0, "server")

    def test_hidden_reasoning(self, answer: Answer) -> None:
        details = {"completion_tokens_details": {"reasoning_tokens": 381}}
        row = answer(*data(*words(20), STOP, usage(prompt_tokens=12, completion_tokens=401, **details)), DONE)
        assert (row["completion_tokens"], row["reasoning_tokens"], row["seen_tokens"]) == (401, 381, 20)
        assert said(row) == ["hidden_reasoning"]

    def test_reasoning_that_is_counted_beside_the_answer(self, answer: Answer) -> None:
        details = {"completion_tokens_details": {"reasoning_tokens": 381}}
        counted = {"prompt_tokens": 12, "completion_tokens": 20, **details}
        row = answer(*data(*words(20), STOP, usage(total_tokens=413, **counted)), DONE)
        assert (row["completion_tokens"], row["seen_tokens"], said(row)) == (401, 20, ["hidden_reasoning"])
        for total in ({}, {"total_tokens": 32}):  # nothing says that they are beside it
            row = answer(*data(*words(20), STOP, usage(**total, **counted)), DONE)
            assert (row["completion_tokens"], row["reasoning_tokens"]) == (20, None)
            assert said(row) == ["count_implausible"]

    def test_more_cached_tokens_than_the_prompt_has(self, answer: Answer) -> None:
        cached = {"prompt_tokens_details": {"cached_tokens": 500}}
        row = answer(*data(*words(5), STOP, usage(prompt_tokens=12, completion_tokens=5, **cached)), DONE)
        assert (counts(row), row["cached_tokens"], said(row)) == ((12, 5, "server"), None, ["count_implausible"])

    def test_a_count_that_no_time_was_for(self, answer: Answer) -> None:
        row = answer(*data(*words(5), STOP, usage(prompt_tokens=12, completion_tokens=50_000)), DONE)
        assert counts(row) == (12, 10, "prompt:server+completion:words")
        assert said(row) == ["count_implausible"]

    @pytest.mark.parametrize("prompt", [2**40, 10**6])
    def test_a_prompt_that_was_not_sent(self, answer: Answer, prompt: int) -> None:
        row = answer(*data(*words(5), STOP, usage(prompt_tokens=prompt, completion_tokens=5)), DONE)
        assert (counts(row), said(row)) == ((16, 5, "prompt:words+completion:server"), ["count_implausible"])

    @pytest.mark.parametrize(("prompt", "used"), [(1, 400), (16, 400), (17, 17), (399, 399)])
    def test_a_prompt_that_was_cut_is_told_from_a_count_of_something_else(
        self, prompt: int, used: int, spooled: MakeSpooled
    ) -> None:
        body = b"".join([*data(*words(5), STOP, usage(prompt_tokens=prompt, completion_tokens=5)), DONE])
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(body)
        recorder = Recorder(OPENAI, [SentPrompt("q", 400)], ["http://h"], LevelKey("e", "p", "l"), TwoAWord())
        row = recorder.row(spooled([(head, 20, 1020), (body, 30, 1030)], sent=0), CLOCKS, "L")
        assert row["prompt_tokens"] == used

    def test_a_count_of_each_message_by_itself(self, answer: Answer) -> None:
        each = {"usage": {"prompt_tokens": 12, "completion_tokens": 1}}
        row = answer(*data(*words(5, **each), STOP), DONE)
        assert counts(row) == (12, 10, "prompt:server+completion:words")
        assert said(row) == ["count_implausible"]

    def test_a_later_count_is_not_smaller(self, answer: Answer) -> None:
        last = usage(prompt_tokens=12, completion_tokens=1, total_tokens=13)
        assert counts(answer(*data(*words(5), STOP, COUNTED, last), DONE)) == (12, 5, "server")

    @pytest.mark.parametrize(
        "last",
        [
            {**STOP, "x_groq": {"usage": COUNTED["usage"]}},
            delta("stop", usage=COUNTED["usage"]),
            {"choices": [{"index": 0, "message": {"content": "", "usage": COUNTED["usage"]}, "finish_reason": "stop"}]},
        ],
    )
    def test_usage_in_other_places(self, answer: Answer, last: Any) -> None:
        assert counts(answer(*data(*words(5), last), DONE)) == (12, 5, "server")

    @pytest.mark.parametrize(("numbers", "total"), [([1] * 5, 5), ([1, 2, 3, 4, 5], 5), ([1, 2], 3), ([2, 1, 2], 5)])
    def test_tritons_counts_are_of_each_message_or_of_all_so_far(
        self, answer: Answer, numbers: list[int], total: int
    ) -> None:
        pieces = ({"text_output": f"w{n} ", "num_output_tokens": count} for n, count in enumerate(numbers))
        assert answer(*data(*pieces), codec=CODECS["triton"])["completion_tokens"] == total

    @pytest.mark.parametrize("spelt", ["5", " 5 ", "5.0", "5.", "+5", "\t05\n", 5.0])
    def test_a_whole_number_in_a_string_is_a_number(self, answer: Answer, spelt: Any) -> None:
        row = answer(*data(*words(5), STOP, usage(prompt_tokens=12, completion_tokens=spelt)), DONE)
        assert counts(row) == (12, 5, "server")

    @pytest.mark.parametrize("spelt", ["5.5", "-5", "five", "", "1e", "٥", "0x5", "NaN", 10**30, True, [5]])
    def test_anything_else_is_none(self, answer: Answer, spelt: Any) -> None:
        row = answer(*data(*words(5), STOP, usage(prompt_tokens=12, completion_tokens=spelt)), DONE)
        assert counts(row) == (12, 10, "prompt:server+completion:words")

    def test_usage_far_from_what_came(self, answer: Answer) -> None:
        row = answer(*data(*words(100), STOP, COUNTED), DONE)
        assert counts(row) == (12, 200, "prompt:server+completion:words")
        assert said(row) == ["count_implausible"]

    @pytest.mark.parametrize("piece", [" " * 10, "word", "汉字"])
    def test_an_estimate_is_not_below_the_number_of_events(self, answer: Answer, piece: str) -> None:
        row = answer(*data(*[delta(content=piece)] * 9, STOP), DONE)
        assert row["completion_tokens"] >= 9

    def test_total_tokens_alone_are_no_count(self, answer: Answer) -> None:
        assert counts(answer(*data(*words(5), STOP, usage(total_tokens=17)), DONE)) == (16, 10, "words")

    def test_usage_behind_the_mark_of_the_end(self, answer: Answer) -> None:
        assert counts(answer(*data(*words(5), STOP), DONE, *data(COUNTED))) == (12, 5, "server")


class TestContent:
    @pytest.mark.parametrize(
        "parts",
        [
            {"tool_calls": [{"index": 0, "function": {"name": "find", "arguments": "{}"}}]},
            {"function_call": {"name": "find", "arguments": "{}"}},
            {"refusal": "I cannot say"},
            {"audio": {"data": "AAAA", "transcript": "hello there"}},
            {"audio": {"data": "AAAA"}},
            {"content": [{"type": "text", "text": "hello there"}]},
        ],
    )
    def test_what_a_person_would_call_content_is_content(self, answer: Answer, parts: Any) -> None:
        row = answer(*data(delta(role="assistant", content=""), delta(**parts), STOP), DONE)
        assert (row["error"], len(row["event_times"])) == (None, 1)
        assert row["first_answer"] == pytest.approx(1.040)  # the role is no token

    @pytest.mark.parametrize(
        "parts",
        [
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
            {"content": "", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
            {"content": None, "reasoning_content": "hm"},
            {"reasoning": "hm"},
            {"thinking": "hm"},
        ],
    )
    def test_reasoning_is_a_first_token_and_no_answer(self, answer: Answer, parts: Any) -> None:
        row = answer(*data(delta(**parts), delta(content="yes"), STOP), DONE)
        assert (row["first"], row["first_answer"]) == (pytest.approx(1.030), pytest.approx(1.040))
        assert row["completion"] == "yes"

    def test_an_answer_that_was_cut_in_the_reasoning(self, answer: Answer) -> None:
        row = answer(*data(*[delta(reasoning=f"r{n} ") for n in range(5)], delta("length"), COUNTED), DONE)
        assert (row["error"], row["first_answer"], said(row)) == (None, None, ["no_answer"])

    def test_a_call_of_a_tool_by_ollama(self, answer: Answer) -> None:
        call = {"message": {"content": "", "tool_calls": [{"function": {"name": "find", "arguments": {"a": 1}}}]}}
        end = {"message": {"content": ""}, "done": True, "done_reason": "stop"}
        row = answer(*lines({**call, "done": False}, end), codec=CODECS["ollama"], kind=NDJSON)
        assert (row["error"], row["completion"]) == (None, 'find{"a": 1}')

    @pytest.mark.parametrize(
        ("parts", "text"),
        [
            ({"content": {"type": "text", "text": "hello"}}, "hello"),
            ({"content": 42}, "42"),
            ({"content": 4.5}, "4.5"),
            ({"tool_calls": {"index": 0, "function": {"name": "find", "arguments": "{}"}}}, "find{}"),
        ],
    )
    def test_content_of_another_type(self, answer: Answer, parts: Any, text: str) -> None:
        row = answer(*data(delta(**parts), STOP), DONE)
        assert (row["error"], row["completion"]) == (None, text)

    def test_text_beside_a_delta_that_has_none(self, answer: Answer) -> None:
        pieces = [{"choices": [{"index": 0, "delta": {"role": "assistant"}, "text": f"w{n} "}]} for n in range(5)]
        row = answer(*data(*pieces, STOP), DONE)
        assert (row["completion"], len(row["event_times"])) == ("w0 w1 w2 w3 w4 ", 5)

    @pytest.mark.parametrize(
        ("indexes", "choices"),
        [
            ([1, 1, 1, 1], 1),  # counted from one
            ([0, 1, 2, 3], 1),  # of the message
            ([7, 3, 7, 3], 2),
            (["0", "1", "0", "1"], 2),
            ([0.0, 1.0, 0.0, 1.0], 2),
        ],
    )
    def test_how_many_choices_came(self, answer: Answer, indexes: list[Any], choices: int) -> None:
        pieces = [{"choices": [{"index": index, "delta": {"content": "w "}}]} for index in indexes]
        row = answer(*data(*pieces, {"choices": [{"delta": {}, "finish_reason": "stop"}]}), DONE)
        assert (row["choices"], said(row)) == (choices, ["several_choices"] if choices > 1 else [])

    def test_choices_of_one_piece_each_were_asked_for(self, answer: Answer) -> None:
        codec = OpenAiPredictor("http://h/v1/chat/completions", parameters={"n": 3})
        pieces = data(*(delta("stop", index, content="yes") for index in range(3)))
        assert answer(*pieces, DONE, codec=codec)["choices"] == 3
        assert answer(*pieces, DONE)["choices"] == 1

    @pytest.mark.parametrize("protocol", ["tgi", "djl", "sagemaker"])
    def test_text_in_the_last_message_alone(self, answer: Answer, protocol: str) -> None:
        special = {"token": {"text": "w0 ", "special": True}}
        last = {"generated_text": "w0 w1 ", "details": {"generated_tokens": 2, "input_length": 12}}
        body = b"".join(lines(special, last))
        row = answer(
            *([aws("PayloadPart", body)] if protocol == "sagemaker" else [body]),
            codec=CODECS[protocol],
            kind=AWS if protocol == "sagemaker" else NDJSON,
        )
        assert (row["error"], row["completion"], row["completion_tokens"]) == (None, "w0 w1 ", 2)

    def test_a_flag_in_a_string(self, answer: Answer) -> None:
        pieces = [{"response": f"w{n} ", "done": "false"} for n in range(5)]
        row = answer(*lines(*pieces, {"response": "", "done": "true"}), codec=CODECS["ollama"], kind=NDJSON)
        assert (row["error"], row["completion"]) == (None, "w0 w1 w2 w3 w4 ")

    @pytest.mark.parametrize("blank", [{"role": "assistant"}, {"content": ""}, {"content": None}, {}])
    def test_a_blank_delta_is_no_first_token(self, answer: Answer, blank: Any) -> None:
        row = answer(*data(delta(**blank), delta(content="yes"), STOP), DONE)
        assert row["first"] == pytest.approx(1.040)


class TestFraming:
    @pytest.mark.parametrize(
        "body",
        [
            b"\xef\xbb\xbf" + b"".join(data(*words(5), STOP, COUNTED)) + DONE,
            b"".join(data(*words(5), STOP, COUNTED)).replace(b"\n\n", b"\n") + DONE,
            b"".join(data(*words(5), STOP, COUNTED)).replace(b'"choices": ', b'\ndata: "choices": ') + DONE,
            b"".join(data(*words(5), STOP, COUNTED)).replace(b"\n", b"\r\n") + b"data: [done]\r\n\r\n",
            b"".join(data(*words(5), STOP, COUNTED)).replace(b"\n", b"\r") + b"data: [DONE]\r\r",
            (b"".join(data(*words(2))) + b"".join(data(*words(5)[2:])).replace(b"\n", b"\r"))
            + b"".join(data(STOP, COUNTED)).replace(b"\n", b"\r\n")
            + DONE,
            b": ping\n\nretry: 3\nid: 1\nevent: message\n"
            + b"".join(data(*words(5), STOP, COUNTED))
            + b"data: DONE\n\n",
        ],
        ids=["byte-order mark", "no empty lines", "joined lines", "CRLF", "CR", "all three line ends", "comments"],
    )
    @pytest.mark.parametrize("kind", [SSE, "text/plain", JSON])
    def test_events_in_many_spellings(self, answer: Answer, body: bytes, kind: str) -> None:
        row = answer(body, kind=kind)
        assert (row["error"], row["completion"], counts(row)) == (None, "w0 w1 w2 w3 w4 ", (12, 5, "server"))

    @pytest.mark.parametrize(
        "alive",
        [
            b": ping\n\n",
            b"data: \n\n",
            b"data\n\n",
            b"data: ping\n\n",
            b"data: HEARTBEAT\n\n",
            b"event: ping\ndata: now\n\n",
            b"event: ping\ndata: now\n",
            b'event: keep-alive\ndata: {"error": "none"}\n\n',
            b"event: error\n\n",  # without data it is not dispatched
        ],
    )
    @pytest.mark.parametrize("protocol", ["openai", "triton", "tgi", "rest", "llama_cpp"])
    def test_what_keeps_a_connection_alive_is_nothing(self, answer: Answer, protocol: str, alive: bytes) -> None:
        pieces, kind = ENDED[protocol]
        row = answer(*(part for piece in pieces for part in (alive, piece)), codec=CODECS[protocol], kind=kind)
        assert (row["error"], row["completion"]) == (None, "w0 w1 w2 w3 w4 ")
        assert [round(1000 * (at - 1)) for at in row["event_times"]] == [40, 60, 80, 100, 120]

    def test_an_event_of_too_many_lines(self, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
        lines_of_one = b'data: {"choices":\ndata: [{"delta":\ndata: {"content":\ndata: "yes"}}]}\n\n'
        assert answer(lines_of_one, *data(STOP))["completion"] == "yes"
        monkeypatch.setattr("fmbench_lib.predictors.streams._MOST_LINES", 2)
        assert answer(lines_of_one, *data(STOP))["error"] == "decode"

    @pytest.mark.parametrize("protocol", ["openai", "ollama"])
    def test_a_byte_order_mark_before_each_message(self, answer: Answer, protocol: str) -> None:
        pieces, kind = ENDED[protocol]
        row = answer(*(b"\xef\xbb\xbf" + piece for piece in pieces), codec=CODECS[protocol], kind=kind)
        assert (row["error"], row["completion"], len(row["event_times"])) == (None, "w0 w1 w2 w3 w4 ", 5)

    @pytest.mark.parametrize("kind", [NDJSON, "application/octet-stream", "text/plain", "text/event-stream", JSON, ""])
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
    @pytest.mark.parametrize("protocol", ["ollama", "djl", "rest", "openai"])
    def test_json_lines_under_any_content_type(self, answer: Answer, protocol: str, line_end: bytes, kind: str) -> None:
        messages = {
            "ollama": [*({"response": f"w{n} ", "done": False} for n in range(5)), {"response": "", "done": True}],
            "djl": [*({"token": {"text": f"w{n} "}} for n in range(5)), {"token": {}, "generated_text": "all"}],
            "rest": [{"words": f"w{n} "} for n in range(5)],
            "openai": [*words(5), STOP],
        }[protocol]
        pieces = [piece.replace(b"\n", line_end) for piece in lines(*messages)]
        row = answer(*pieces, codec=CODECS[protocol], kind=kind)
        assert (row["error"], row["completion"], row["streamed"]) == (None, "w0 w1 w2 w3 w4 ", True)
        assert [round(1000 * (at - 1)) for at in row["event_times"]] == [30, 40, 50, 60, 70]

    def test_a_whole_answer_under_the_content_type_of_a_stream(self, answer: Answer) -> None:
        whole = json.dumps({"choices": [{"message": {"content": "yes"}}]}, indent=1).encode()
        row = answer(whole, kind=SSE)
        assert (row["error"], row["completion"], row["streamed"]) == (None, "yes", False)

    @pytest.mark.parametrize("protocol", ["ollama", "openai"])
    def test_a_whole_answer_on_several_lines_is_whole(self, answer: Answer, protocol: str) -> None:
        body = {"ollama": {"response": "yes", "done": True}, "openai": {"choices": [{"message": {"content": "yes"}}]}}
        row = answer(json.dumps(body[protocol], indent=2).encode(), codec=CODECS[protocol], kind="text/plain")
        assert (row["error"], row["completion"], row["streamed"]) == (None, "yes", False)


ENDED: dict[str, tuple[list[bytes], str]] = {
    "openai": ([*data(*words(5), STOP, COUNTED), DONE], SSE),
    "triton": ([*data(*({"text_output": f"w{n} "} for n in range(5))), DONE], SSE),
    "tgi": (data(*({"token": {"text": f"w{n} "}} for n in range(5)), {"token": {}, "generated_text": "all"}), SSE),
    "rest": ([*data(*({"words": f"w{n} "} for n in range(5))), DONE], SSE),
    "llama_cpp": (data(*({"content": f"w{n} "} for n in range(5)), {"content": "", "stop": True}), SSE),
    "ollama": (lines(*({"response": f"w{n} "} for n in range(5)), {"response": "", "done": True}), NDJSON),
    "bedrock": (converse({"inputTokens": 12, "outputTokens": 5}), AWS),
}
"""Answers of five words with all that ends them."""


class TestAfterTheEnd:
    @pytest.mark.parametrize("protocol", ["openai", "triton", "tgi", "rest", "llama_cpp"])
    @pytest.mark.parametrize(
        "rest",
        [
            b"data: hello\n\n",
            b'data: {"error": {"message": "late"}}\n\n',
            b"event: error\ndata: late\n\n",
            b"error: late\n\n",
            b'data: {"broken\n\n',
            b"data: [1, 2]\n\n",
            b'data: {"choices": [{"delta": {"content": "more"}}], "text_output": "more", "words": "more"}\n\n',
            DONE,
        ],
    )
    def test_nothing_counts_any_more(self, answer: Answer, protocol: str, rest: bytes) -> None:
        pieces, kind = ENDED[protocol]
        row = answer(*pieces, rest, codec=CODECS[protocol], kind=kind)
        assert (row["error"], row["completion"], len(row["event_times"])) == (None, "w0 w1 w2 w3 w4 ", 5)

    @pytest.mark.parametrize("rest", [b'{"error": "late"}\n', b"late\n", b'{"response": "more"}\n'])
    def test_nor_after_the_last_line(self, answer: Answer, rest: bytes) -> None:
        pieces, kind = ENDED["ollama"]
        row = answer(*pieces, rest, codec=CODECS["ollama"], kind=kind)
        assert (row["error"], row["completion"]) == (None, "w0 w1 w2 w3 w4 ")

    def test_nor_an_exception_after_the_last_event(self, answer: Answer) -> None:
        pieces, kind = ENDED["bedrock"]
        late = aws(
            "", b'{"message": "late"}', **{":message-type": "exception", ":exception-type": "throttlingException"}
        )
        assert answer(*pieces, late, codec=BEDROCK, kind=kind)["error"] is None

    def test_an_error_after_an_end_without_answer_is_one(self, answer: Answer) -> None:
        row = answer(DONE, *data({"error": {"message": "out of memory"}}))
        assert (row["error"], row["error_message"]) == ("endpoint", "out of memory")

    def test_an_answer_after_an_end_without_answer_is_one(self, answer: Answer) -> None:
        row = answer(DONE, *data(*words(5), STOP), DONE)
        assert (row["error"], row["completion"]) == (None, "w0 w1 w2 w3 w4 ")


SO_FAR = [" ".join(f"w{n}" for n in range(count)) for count in range(1, 6)]


class TestRepeats:
    @pytest.mark.parametrize("protocol", ["triton", "rest", "openai"])
    def test_messages_that_hold_all_so_far(self, answer: Answer, protocol: str) -> None:
        name = {"triton": "text_output", "rest": "words"}.get(protocol)
        events = [delta(content=text) if name is None else {name: text} for text in SO_FAR]
        row = answer(*data(*events), DONE, codec=CODECS[protocol])
        assert (row["error"], row["completion"], row["completion_tokens"]) == (None, "w0 w1 w2 w3 w4", 10)
        assert said(row) == ["cumulative"]

    def test_a_last_message_that_repeats_the_whole(self, answer: Answer) -> None:
        texts = ["The Nile ", "is the ", "longest."]
        row = answer(*data(*({"words": text} for text in [*texts, "".join(texts)])), codec=REST)
        assert (row["completion"], said(row)) == ("The Nile is the longest.", ["cumulative"])

    def test_equal_pieces_are_new_text(self, answer: Answer) -> None:
        row = answer(*data(*({"text_output": "ha "} for _ in range(5))), codec=CODECS["triton"])
        assert (row["completion"], said(row)) == ("ha " * 5, [])

    def test_the_whole_so_far_whose_last_character_is_cut(self, answer: Answer) -> None:
        texts = ["Das \ufffd", "Das 汉\ufffd", "Das 汉字 is", "Das 汉字 is good"]
        row = answer(*data(*({"text_output": text} for text in texts)), codec=CODECS["triton"])
        assert (row["completion"], said(row)) == ("Das 汉字 is good", ["cumulative"])

    def test_pieces_of_characters_are_new_text(self, answer: Answer) -> None:
        texts = ["\ufffd", "\ufffd", "ab", "abc", "abcd"]
        row = answer(*data(*({"text_output": text} for text in texts)), codec=CODECS["triton"])
        assert (row["completion"], said(row)) == ("".join(texts), [])

    def test_the_whole_again_without_what_stopped_it(self, answer: Answer) -> None:
        row = answer(*data(*({"text_output": text} for text in [*SO_FAR, SO_FAR[-1][:-3]])), codec=CODECS["triton"])
        assert (row["completion"], said(row)) == ("w0 w1 w2 w3 w4", ["cumulative"])

    def test_a_last_piece_that_the_one_before_begins_with(self, answer: Answer) -> None:
        row = answer(
            *data(*({"text_output": text} for text in ["w", "wo ", "rest of ", "rest"])), codec=CODECS["triton"]
        )
        assert (row["completion"], said(row)) == ("wwo rest of rest", [])

    @pytest.mark.parametrize(
        ("sent", "echoed"),
        [
            (PROMPT, f"<s> {PROMPT}"),
            (PROMPT, f"<|begin_of_text|>{PROMPT}"),
            (PROMPT, f"\n<bos>{PROMPT}"),
            (f"  {PROMPT} \n", PROMPT),
        ],
    )
    def test_an_echo_with_other_things_around_it(self, answer: Answer, sent: str, echoed: str) -> None:
        body = json.dumps([{"generated_text": f"{echoed} The Nile."}]).encode()
        row = answer(body, codec=CODECS["djl"], kind=JSON, prompt=sent)
        assert (row["completion"], row["completion_tokens"]) == (" The Nile.", 4)

    def test_prompt_and_text_so_far_in_each_message(self, answer: Answer) -> None:
        row = answer(*data(*({"text_output": PROMPT + text} for text in SO_FAR)), codec=CODECS["triton"])
        assert (row["completion"], said(row)) == ("w0 w1 w2 w3 w4", ["cumulative", "echo"])

    @pytest.mark.parametrize("protocol", ["tgi", "djl", "sagemaker"])
    def test_an_echo_that_nobody_asked_for(self, answer: Answer, protocol: str) -> None:
        body = json.dumps([{"generated_text": f"{PROMPT} The Nile."}]).encode()
        row = answer(body, codec=CODECS[protocol], kind=JSON)
        assert (row["completion"], row["completion_tokens"]) == (" The Nile.", 4)
        assert "echo" in said(row)

    def test_an_echo_in_pieces(self, answer: Answer) -> None:
        pieces = [PROMPT[:9], PROMPT[9:20], PROMPT[20:] + " The", " Nile."]
        row = answer(*data(*({"choices": [{"text": piece}]} for piece in pieces), STOP), DONE)
        assert (row["completion"], len(row["event_times"]), said(row)) == (" The Nile.", 2, ["echo"])


class TestErrors:
    @pytest.mark.parametrize("protocol", CODECS)
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"detail": "the queue is full"}, "the queue is full"),
            ({"message": "the queue is full"}, "the queue is full"),
            ({"error": "the queue is full"}, "the queue is full"),
            ({"error": {"message": "the queue is full", "code": 500}}, "the queue is full"),
            ({"error": "Busy", "message": "the queue is full"}, "the queue is full: Busy"),
            ({"detail": [{"loc": ["body"], "msg": "the queue is full"}]}, "the queue is full"),
            ({"code": 50001, "msg": "the queue is full", "data": None}, "the queue is full"),
            ({"code": "QueueFull", "msg": "the queue is full"}, "the queue is full"),
            ({"statusCode": 500, "body": "the queue is full"}, "the queue is full"),
            ({"status": 503, "title": "the queue is full"}, "the queue is full"),
            ({"error_code": 7, "error_msg": "the queue is full"}, "the queue is full"),
            ({"errorCode": "E7", "description": "the queue is full"}, "the queue is full"),
            ({"status": "error", "reason": "the queue is full"}, "the queue is full"),
            ({"state": "FAILED", "details": "the queue is full"}, "the queue is full"),
            ({"success": False, "msg": "the queue is full"}, "the queue is full"),
            ({"ok": "false", "description": "the queue is full"}, "the queue is full"),
            ({"fault": {"faultstring": "the queue is full"}}, "the queue is full"),
            ({"code": 50001}, '{"code": 50001}'),
            ({"ret": -1, "msg": "the queue is full"}, "the queue is full"),
            ({"failed": True, "reason": "the queue is full"}, "the queue is full"),
            ({"base_resp": {"status_code": 1004, "status_msg": "the queue is full"}}, "the queue is full"),
            ({"meta": {"code": 500}, "msg": "the queue is full"}, "the queue is full"),
            ([{"error": {"message": "the queue is full"}}], "the queue is full"),
        ],
    )
    def test_an_error_instead_of_an_answer(self, answer: Answer, protocol: str, body: Any, words: str) -> None:
        row = answer(json.dumps(body).encode(), codec=CODECS[protocol], kind=JSON)
        assert (row["error"], row["error_message"]) == ("endpoint", words)

    @pytest.mark.parametrize("protocol", CODECS)
    def test_the_page_of_a_proxy(self, answer: Answer, protocol: str) -> None:
        page = b"<html><head><title>502</title></head><body><h1>502 Bad Gateway</h1></body></html>"
        row = answer(page, codec=CODECS[protocol], kind="text/html")
        assert row["error"] == "endpoint"
        assert row["error_message"].endswith("text/html in place of the protocol: 502 Bad Gateway")

    @pytest.mark.parametrize("protocol", ["openai", "tgi", "triton", "llama_cpp", "rest"])
    @pytest.mark.parametrize(
        "event",
        [
            b'event: error\ndata: {"message": "the engine died", "code": 500}\n\n',
            b"event: error\ndata: the engine died\n\n",
            b'data: {"detail": "the engine died"}\n\n',
            b'data: {"error": "the engine died"}\n\n',
            b'data: {"error": {"message": "the engine died"}}\n\n',
            b'data: {"object": "error", "message": "the engine died"}\n\n',
            b"data: the engine died\n\n",
        ],
    )
    def test_an_error_in_mid_stream(self, answer: Answer, protocol: str, event: bytes) -> None:
        begun = {
            "openai": delta(content="w0 "),
            "tgi": {"token": {"text": "w0 "}},
            "triton": {"text_output": "w0 "},
            "llama_cpp": {"content": "w0 ", "stop": False},
            "rest": {"words": "w0 "},
        }[protocol]
        row = answer(*data(begun), event, DONE, codec=CODECS[protocol])
        assert (row["error"], row["error_message"], row["completion"]) == ("endpoint", "the engine died", "w0 ")

    @pytest.mark.parametrize("protocol", CODECS)
    def test_an_empty_body(self, answer: Answer, protocol: str) -> None:
        row = answer(b"", codec=CODECS[protocol], kind=JSON)
        assert (row["error"], row["error_message"]) == ("empty", "the response has no body")

    @pytest.mark.parametrize("protocol", ["openai", "triton", "tgi", "rest", "llama_cpp", "ollama"])
    @pytest.mark.parametrize("body", [b"<!DOCTYPE html><html><body>Please sign in</body></html>", b"Please sign in"])
    def test_a_page_that_calls_itself_a_stream(self, answer: Answer, protocol: str, body: bytes) -> None:
        row = answer(body, codec=CODECS[protocol])
        assert row["error"] == "endpoint"
        assert (
            row["error_message"]
            == "the server answered with text/event-stream in place of the protocol: Please sign in"
        )

    @pytest.mark.parametrize("status", [201, 202, 203, 206, 226, 299, 300, 600, 999])
    def test_statuses_that_are_no_answer(self, answer: Answer, status: int) -> None:
        assert answer(*data(*words(5), STOP), DONE, status=f"{status} Odd")["error"] == "protocol"

    def test_an_exception_without_its_type(self, answer: Answer) -> None:
        broken = aws("", b'{"message": "the engine died"}', **{":message-type": "exception"})
        row = answer(*converse({})[:3], broken, codec=BEDROCK, kind=AWS)
        assert (row["error"], row["error_message"]) == ("endpoint", "exception: the engine died")

    @pytest.mark.parametrize(
        "none", ["none", "null", "OK", {"code": 0, "message": "success"}, {"code": "0", "msg": ""}, {"code": None}]
    )
    def test_an_error_that_says_there_is_none(self, answer: Answer, none: Any) -> None:
        assert answer(*data(*words(5, error=none), STOP), DONE)["error"] is None

    @pytest.mark.parametrize(
        "some", [{"code": 0, "message": "died"}, {"code": 500}, "died", ["died"], {"at": {"x": 1}}]
    )
    def test_any_other_error_is_one(self, answer: Answer, some: Any) -> None:
        assert answer(*data(*words(5, error=some), STOP), DONE)["error"] == "endpoint"

    @pytest.mark.parametrize("nothing", [None, {}, "", False])
    def test_an_empty_error_beside_content_is_none(self, answer: Answer, nothing: Any) -> None:
        assert answer(*data(*words(5, error=nothing), STOP), DONE)["error"] is None

    @pytest.mark.parametrize(
        "fine",
        [
            {"code": 0, "msg": "ok"},
            {"code": 200},
            {"status": "ok", "success": True, "error_code": 0},
            {"status_code": 200, "errorCode": "", "err": None, "errno": 0},
            {"failed": False, "ret": 0, "meta": {"code": 0, "status": "ok"}},
        ],
    )
    def test_a_code_of_success_is_no_error(self, answer: Answer, fine: Any) -> None:
        assert answer(*data(fine, *words(5, **fine), STOP), DONE)["error"] is None
        assert answer(json.dumps(fine).encode(), kind=JSON)["error"] == "empty"

    def test_an_exception_that_is_called_an_event(self, answer: Answer) -> None:
        row = answer(aws("internalServerException", b'{"message": "the engine died"}'), codec=BEDROCK, kind=AWS)
        assert (row["error"], row["error_message"]) == ("endpoint", "internalServerException: the engine died")

    def test_an_error_in_a_chunk_of_bedrock(self, answer: Answer) -> None:
        codec = CODECS["bedrock_invoke"]
        chunks = in_chunks({"type": "content_block_delta", "delta": {"text": "w0 "}}, {"message": "the engine died"})
        row = answer(*chunks, codec=codec, kind=AWS)
        assert (row["error"], row["error_message"]) == ("endpoint", "the engine died")

    @pytest.mark.parametrize(
        ("status", "body", "error"),
        [
            ("424 Failed Dependency", {"OriginalStatusCode": 0, "Message": "Your invocation timed out"}, "timeout"),
            ("424 Failed Dependency", {"OriginalStatusCode": 500, "Message": "Your invocation timed out"}, "http_5xx"),
            ("424 Failed Dependency", {"OriginalStatusCode": 400, "Message": "Your invocation timed out"}, "http_4xx"),
            ("408 Request Timeout", {"message": "Model has timed out"}, "timeout"),
        ],
    )
    def test_a_model_that_took_too_long(self, answer: Answer, status: str, body: Any, error: str) -> None:
        for protocol in ("sagemaker", "bedrock"):
            row = answer(json.dumps(body).encode(), codec=CODECS[protocol], kind=JSON, status=status)
            assert row["error"] == error
            assert "timed out" in row["error_message"]

    @pytest.mark.parametrize(
        ("words", "setting"),
        [
            ("[{'loc': ('body', 'stream_options'), 'msg': 'not permitted'}]", "stream_options: null"),
            ("'max_tokens' is not supported. Use 'max_completion_tokens' instead.", "write max_completion_tokens"),
        ],
    )
    def test_the_setting_that_mends_a_refusal(self, answer: Answer, words: str, setting: str) -> None:
        body = json.dumps({"error": {"message": words}}).encode()
        row = answer(body, kind=JSON, status="400 Bad Request")
        assert (row["error"], words in row["error_message"], setting in row["error_message"]) == (
            "http_4xx",
            True,
            True,
        )

    def test_what_is_not_understood_is_quoted(self, answer: Answer) -> None:
        assert "the sea" in answer(b'{"choices": "the sea"}', kind=JSON)["error_message"]
        assert "the sea" in answer(b'{"choices": [], "other": "the sea"}', kind=JSON)["error_message"]
        assert "the sea" in answer(b'{"broken": "the sea"', kind=JSON)["error_message"]


VECTORS: dict[str, tuple[Predictor, Callable[[Any], Any]]] = {
    "openai": (OpenAiPredictor("http://h/v1/embeddings", stream=False), lambda v: {"data": [{"embedding": v}]}),
    "sagemaker": (CODECS["sagemaker"], lambda v: {"embedding": v}),
    "sagemaker, nested": (CODECS["sagemaker"], lambda v: {"embedding": [v]}),
    "sagemaker, a list": (CODECS["sagemaker"], lambda v: [v]),
    "bedrock, Titan": (CODECS["bedrock_invoke"], lambda v: {"embedding": v}),
    "bedrock, Cohere": (CODECS["bedrock_invoke"], lambda v: {"embeddings": {"float": [v]}}),
}
"""Answers with a vector: the codec and the body."""


class TestVectors:
    def row(self, answer: Answer, form: str, vector: Any) -> dict[str, Any]:
        codec, body = VECTORS[form]
        return answer(json.dumps(body(vector)).encode(), codec=codec, kind=JSON)

    @pytest.mark.parametrize("form", VECTORS)
    @pytest.mark.parametrize(
        "vector", [[float("nan")] * 2, [0.1, 0.2, float("-inf")], [None, None], [0.1, True], [0.1, "0.2"]]
    )
    def test_what_is_no_number(self, answer: Answer, form: str, vector: Any) -> None:
        row = self.row(answer, form, vector)
        assert row["error"] == "decode"
        assert "a vector has " in row["error_message"]

    @pytest.mark.parametrize("form", VECTORS)
    def test_vectors_with_and_without_numbers(self, answer: Answer, form: str) -> None:
        assert self.row(answer, form, [0.1, -2, 0])["error"] is None
        assert self.row(answer, form, [])["error"] == "empty"

    def test_packed_numbers(self, answer: Answer) -> None:
        def packed(*numbers: float) -> str:
            return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()

        for text, error in ((packed(0.1, 0.2), None), (packed(float("nan"), 1.0), "decode"), ("no base64!", "decode")):
            assert self.row(answer, "openai", text)["error"] == error


def test_a_resend_is_not_the_clients_lateness(answer: Answer) -> None:
    pieces = [*data(*words(5), STOP, COUNTED), DONE]
    assert answer(*pieces)["schedule_lag"] is not None
    assert answer(*pieces, retried=1)["schedule_lag"] is None


@pytest.mark.parametrize(
    ("protocol", "kind", "pieces"),
    [
        ("openai", SSE, data(*words(30), STOP)),
        ("openai", SSE, data(*(delta(**{["content", "reasoning"][n % 2]: "w "}) for n in range(30)), STOP)),
        ("ollama", NDJSON, lines(*({"message": {"content": f"w{n} "}} for n in range(30)), {"done": True})),
        ("bedrock", AWS, converse({"inputTokens": 9, "outputTokens": 30}, 30)),
        ("bedrock_invoke", AWS, in_chunks(*({"generation": f"w{n} "} for n in range(30)))),
    ],
)
def test_an_answer_without_end_is_an_error(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, protocol: str, kind: str, pieces: list[bytes]
) -> None:
    assert len(answer(*pieces, codec=CODECS[protocol], kind=kind)["event_times"]) == 30
    monkeypatch.setattr("fmbench_lib.predictors.answer.MOST_EVENTS", 20)
    row = answer(*pieces, codec=CODECS[protocol], kind=kind)
    assert (row["error"], row["error_message"]) == ("protocol", "the response has more than 20 pieces of content")
