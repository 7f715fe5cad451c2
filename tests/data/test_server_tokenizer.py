"""Tokens counted by servers, each asked in its own form."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fmbench_lib.data.counted_prompts import counted
from fmbench_lib.data.server_tokenizer import server_tokenizer
from fmbench_lib.errors import TokenizerError
from fmbench_lib.host.task_pool import ThisProcess

Answer = Callable[[dict[str, Any]], tuple[int, Any]]


def vllm(body: dict[str, Any]) -> tuple[int, Any]:
    if "prompt" not in body:
        return 400, {"error": {"message": "prompt: field required"}}
    assert body["add_special_tokens"] is False
    return 200, {"count": len(body["prompt"]), "max_model_len": 9, "tokens": []}


def llama_cpp(body: dict[str, Any]) -> tuple[int, Any]:
    return 200, {"tokens": list(body.get("content", ""))}


def tgi(body: dict[str, Any]) -> tuple[int, Any]:
    return (200, [{"id": 1} for _ in body["inputs"]]) if "inputs" in body else (422, "missing field `inputs`")


class Server:
    """One server, which may be told how to answer; `asked` are the bodies that came."""

    def __init__(self) -> None:
        self.answer: Answer = vllm
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.asked.append(body)
                server.keys.add(self.headers["authorization"])
                status, content = server.answer(body) if self.path == "/base/tokenize" else (404, "no such path")
                answer = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.mark.parametrize(("answer", "stack"), [(vllm, "vLLM"), (llama_cpp, "llama.cpp"), (tgi, "TGI")])
def test_each_server_is_asked_in_its_own_form(server: Server, answer: Answer, stack: str) -> None:
    server.answer = answer
    made = server_tokenizer(f"{server.url}/base/v1/chat/completions", "m", {"authorization": "Bearer k"})
    assert made.name == f"{server.url}/base/tokenize ({stack})"
    texts = ["x" * length for length in range(40)]
    assert made.count_many(texts) == list(range(40))
    assert server.keys == {"Bearer k"}
    assert not made.is_estimate


def test_a_server_that_does_not_count_is_an_error_that_says_what_it_answered(server: Server) -> None:
    server.answer = lambda body: (405, {"detail": "Method Not Allowed"})
    with pytest.raises(TokenizerError, match=r'/base/tokenize does not count tokens: HTTP 405, {"detail": "Method'):
        server_tokenizer(f"{server.url}/base/v1/completions", None, {})


def test_a_server_that_stops_counting_is_an_error(server: Server) -> None:
    made = server_tokenizer(f"{server.url}/base/v1/completions", None, {})
    server.answer = lambda body: (200, {"tokens": "many"})
    with pytest.raises(TokenizerError, match=r"does not count tokens: HTTP 200"):
        made.count_many(["a", "b"])


def test_a_server_that_is_gone_is_asked_once(server: Server) -> None:
    server.stop()
    with pytest.raises(TokenizerError, match=r"does not count tokens: .*refused"):
        server_tokenizer(f"{server.url}/base/v1/completions", None, {})


class NobodyAsked(ThisProcess):
    """A pool whose processes must not be asked."""

    def map(self, compute: Any, tasks: Any) -> Any:
        raise AssertionError("asked")


def test_a_server_counts_for_this_process_alone(server: Server) -> None:
    tokenizer = server_tokenizer(f"{server.url}/base/v1/chat/completions", None, {})
    rows: list[Any] = [{"prompt": "x" * length} for length in (3, 1, 2)]
    assert [row["prompt_tokens"] for row in counted(iter(rows), tokenizer, NobodyAsked())] == [3, 1, 2]
