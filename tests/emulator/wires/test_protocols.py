"""The protocols other than OpenAI's chat, seen by a client that shares no code with the library."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch

TOKENS = 5
QUICK = Behaviour(ttft=Constant(0.002), itl=Constant(0.001), tokens=Constant(TOKENS), echo=True)
PROMPT = "one two three [[echo:<first>]]"
SSE, LINES, JSON = "text/event-stream; charset=utf-8", "application/x-ndjson", "application/json"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with launch(QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def closing() -> Iterator[Emulator]:
    with launch(Behaviour(ttft=Constant(0), itl=Constant(0), tokens=Constant(3), framing="close")) as running:
        yield running


Send = Callable[..., tuple[http.client.HTTPResponse, bytes]]


@pytest.fixture
def send(emulator: Emulator, connect: Callable[..., Any]) -> Send:
    """Sends a request unchanged and reads the whole answer."""

    def send(path: str, body: Any = None, url: str = emulator.base_url, **headers: str) -> Any:
        connection = connect(url).connection
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response, response.read()

    return send


def events(body: bytes) -> list[Any]:
    """The objects in server-sent events, or in JSON lines."""
    lines = [line.removeprefix(b"data: ") for line in body.splitlines() if line]
    return [json.loads(line) for line in lines]


def test_tgi_streams_tokens_the_last_with_details(send: Send) -> None:
    response, body = send("/generate_stream", {"inputs": PROMPT, "parameters": {"max_new_tokens": 3}})
    assert response.getheader("content-type") == SSE
    results = events(body)
    assert [item["index"] for item in results] == [1, 2, 3]
    assert [item["generated_text"] is None for item in results] == [True, True, False]
    assert results[-1]["generated_text"] == "".join(item["token"]["text"] for item in results)
    assert results[0]["token"]["text"] == "<first>"
    details = {"finish_reason": "length", "generated_tokens": 3, "input_length": 4, "seed": None}
    assert results[-1]["details"] == details


def test_tgi_includes_details_if_requested(send: Send) -> None:
    _, body = send("/generate", {"inputs": PROMPT, "parameters": {"details": True}})
    assert json.loads(body)["details"]["generated_tokens"] == TOKENS
    _, body = send("/generate", {"inputs": PROMPT})
    assert list(json.loads(body)) == ["generated_text"]


@pytest.mark.parametrize("path", ["/invocations", "/predictions/model", "/generate"])
def test_djl_streams_lines_if_the_body_requests_it(send: Send, path: str) -> None:
    response, body = send(path, {"inputs": PROMPT, "stream": True})
    assert response.getheader("content-type") == "application/jsonlines"
    results = events(body)
    assert len(results) == TOKENS
    assert results[-1]["generated_text"] == "".join(item["token"]["text"] for item in results)
    assert results[-1]["details"]["generated_tokens"] == TOKENS


def test_triton_counts_tokens_if_requested(send: Send) -> None:
    path = "/v2/models/ensemble/versions/1/generate_stream"
    response, body = send(path, {"text_input": PROMPT, "max_tokens": 3})
    assert response.getheader("content-type") == SSE
    assert [sorted(item) for item in events(body)] == [["model_name", "model_version", "text_output"]] * 3
    _, body = send(path, {"text_input": PROMPT, "max_tokens": 3, "return_num_output_tokens": True})
    assert [item["num_output_tokens"] for item in events(body)] == [1, 1, 1]
    assert {item["num_input_tokens"] for item in events(body)} == {4}


@pytest.mark.parametrize(
    "parameters", [{"sampling_parameters": '{"max_tokens": 2}'}, {"parameters": {"max_tokens": 2}}, {"max_tokens": 2}]
)
def test_triton_takes_parameters_in_three_forms(send: Send, parameters: dict[str, Any]) -> None:
    _, body = send("/v2/models/m/generate", {"text_input": PROMPT, **parameters})
    created = json.loads(body)
    assert created["model_name"] == "m"
    assert created["text_output"].startswith("<first>")
    assert len(created["text_output"].removeprefix("<first>").split()) == 1


@pytest.mark.parametrize("path", ["/api/generate", "/api/chat"])
def test_ollama_streams_by_default(send: Send, path: str) -> None:
    prompt = {"prompt": PROMPT} if path == "/api/generate" else {"messages": [{"role": "user", "content": PROMPT}]}
    response, body = send(path, {"model": "llama", **prompt, "options": {"num_predict": 3}})
    assert response.getheader("content-type") == LINES
    results = events(body)
    assert [item["done"] for item in results] == [False, False, False, True]
    assert {item["model"] for item in results} == {"llama"}
    assert (results[-1]["prompt_eval_count"], results[-1]["eval_count"], results[-1]["done_reason"]) == (4, 3, "length")
    _, body = send(path, {"model": "llama", **prompt, "stream": False})
    whole = json.loads(body)
    assert (whole["done"], whole["eval_count"]) == (True, TOKENS)
    assert (whole.get("response") or whole["message"]["content"]).startswith("<first>")


def test_ollama_thinks_first(send: Send) -> None:
    behaviour = Behaviour(ttft=Constant(0), itl=Constant(0), tokens=Constant(6), reasoning_tokens=2, usage="never")
    with launch(behaviour) as emulator:
        _, body = send("/api/generate", {"prompt": "x"}, emulator.base_url)
    results = events(body)
    assert ["thinking" in item for item in results] == [True, True, False, False, False, False, False]
    assert "eval_count" not in results[-1]


def test_llamacpp_stops_with_the_counts(send: Send) -> None:
    _, body = send("/completion", {"prompt": PROMPT, "n_predict": 3, "stream": True})
    results = events(body)
    assert [item["stop"] for item in results] == [False, False, False, True]
    assert (results[-1]["tokens_evaluated"], results[-1]["tokens_predicted"], results[-1]["stop_type"]) == (
        4,
        3,
        "limit",
    )
    _, body = send("/completion", {"prompt": PROMPT})
    assert json.loads(body)["content"].startswith("<first>")


def test_embeddings_are_near_where_texts_share_words(send: Send) -> None:
    created = json.loads(send("/v1/embeddings", {"input": [PROMPT, PROMPT.upper(), f"{PROMPT} too", "other words"]})[1])
    same, upper, near, far = (item["embedding"] for item in created["data"])
    assert same == upper

    def product(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert product(same, same) == pytest.approx(1.0, abs=1e-4)
    assert product(same, near) > 0.8 > product(same, far)
    assert json.loads(send("/v1/embeddings", {"input": PROMPT})[1])["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


def test_documents_are_ranked_by_the_words_of_the_query(send: Send) -> None:
    body = {"query": "red green blue", "documents": ["red", "none", "blue green red"], "top_n": 2}
    made = json.loads(send("/v1/rerank", body)[1])
    assert [(one["index"], one["relevance_score"]) for one in made["results"]] == [(2, 1.0), (0, 0.333333)]
    assert made["usage"]["prompt_tokens"] == 8
    texts = {"query": "red green blue", "texts": ["red", "none"]}
    assert json.loads(send("/rerank", texts)[1]) == [{"index": 0, "score": 0.333333}, {"index": 1, "score": 0.0}]


@pytest.mark.parametrize("path", ["/serve/infer?sentence=", "/serve/text/"])
def test_ray_serve_answers_with_prompt_and_text(send: Send, path: str) -> None:
    response, body = send(path + quote(PROMPT + " größe?", safe=""))
    assert response.getheader("content-type") == "text/plain; charset=utf-8"
    text = body.decode()
    assert text.startswith(PROMPT + " größe?<first>")


@pytest.mark.parametrize(("path", "kind"), [("/custom/generate", SSE), ("/custom/lines", LINES)])
def test_custom_endpoints_in_both_framings(send: Send, path: str, kind: str) -> None:
    response, body = send(path, {"question": PROMPT, "settings": {"stream": True, "most": 2}})
    assert response.getheader("content-type") == kind
    results = events(body)
    assert [len(item["result"]["parts"]) for item in results] == [1, 1, 0]
    assert results[-1]["counts"] == {"read": 4, "written": 2}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", {"text": "x"}),
        ("/generate", ["x"]),
        ("/invocations", {"inputs": 5}),
        ("/v2/models/m/generate", {"text_input": "x", "sampling_parameters": "no JSON"}),
        ("/api/chat", {"messages": [{"role": "user"}]}),
        ("/completion", {"prompt": None}),
        ("/v1/embeddings", {}),
        ("/v1/embeddings", {"input": []}),
        ("/v1/rerank", {"query": "x", "documents": []}),
        ("/rerank", {"query": "x", "documents": ["x"]}),
        ("/serve/infer?prompt=x", None),
        ("/v2/completions", {}),
        ("/custom/lines", {"question": "[[fault:explode]]"}),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(send: Send, path: str, body: Any) -> None:
    response, message = send(path, body)
    assert response.status == 400
    assert json.loads(message)["error"]


FAULTY_STREAMS: list[tuple[str, dict[str, Any]]] = [
    ("/generate_stream", {"inputs": "x"}),
    ("/invocations", {"inputs": "x", "stream": True}),
    ("/v2/models/m/generate_stream", {"text_input": "x"}),
    ("/api/generate", {"prompt": "x"}),
    ("/completion", {"prompt": "x", "stream": True}),
    ("/custom/generate", {"question": "x", "settings": {"stream": True}}),
]


@pytest.mark.parametrize(("path", "body"), FAULTY_STREAMS, ids=[path for path, _ in FAULTY_STREAMS])
class TestFaults:
    def test_a_malformed_event_replaces_one_event(self, send: Send, path: str, body: dict[str, Any]) -> None:
        _, data = send(path, body, **{"X-Emulate-Fault": "malformed:events=1"})
        lines = [line.removeprefix(b"data: ") for line in data.splitlines() if line]
        assert [n for n, line in enumerate(lines) if not is_json(line)] == [1]

    def test_an_error_ends_the_stream(self, send: Send, path: str, body: dict[str, Any]) -> None:
        response, data = send(path, body, **{"X-Emulate-Fault": "error:events=2"})
        assert response.status == 200
        results = events(data)
        assert len(results) == 3
        assert "as requested" in json.dumps(results[-1]) or results[-1]["details"]["finish_reason"] == "error"

    def test_a_wrong_content_length_is_off_by_the_requested_bytes(
        self, send: Send, path: str, body: dict[str, Any]
    ) -> None:
        with pytest.raises(http.client.IncompleteRead) as raised:
            send(path, body, **{"X-Emulate-Fault": "content_length:bytes=7"})
        assert raised.value.expected == 7

    def test_without_content_it_still_ends(self, send: Send, path: str, body: dict[str, Any]) -> None:
        response, _ = send(path, body, **{"X-Emulate-Fault": "empty"})
        assert response.status == 200

    def test_a_stream_delimited_by_the_connection_has_the_same_content(
        self, send: Send, closing: Emulator, path: str, body: dict[str, Any]
    ) -> None:
        response, data = send(path, body, closing.base_url)
        assert response.getheader("transfer-encoding") is None
        assert len(events(data)) >= 3


def is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
