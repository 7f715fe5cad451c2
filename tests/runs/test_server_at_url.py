"""What serves at an address: found by asking it, from the base of an address or a whole one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from fmbench_lib.errors import InputError
from fmbench_lib.runs.server_at_url import Server, server_at


class Answers:
    """A server with an answer for each path, as (status, body); it notes the headers that it was sent."""

    def __init__(self) -> None:
        self.paths: dict[str, tuple[int, Any]] = {}
        self.headers: list[dict[str, str]] = []
        self.url = ""


@pytest.fixture
def server() -> Iterator[Answers]:
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.headers.append(dict(self.headers))
            status, body = answers.paths.get(self.path, (404, {"error": "not found"}))
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        answers.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield answers
        listening.shutdown()
        thread.join()


def models(*names: str) -> tuple[int, Any]:
    return 200, {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/"])
def test_the_base_of_an_address_is_completed_and_the_model_asked_for(server: Answers, base: str) -> None:
    server.paths["/v1/models"] = models("org/small")
    assert server_at(server.url + base) == Server(f"{server.url}/v1/chat/completions", "openai", "org/small")


def test_a_base_behind_a_gateway(server: Answers) -> None:
    server.paths["/llm/v1/models"] = models("small")
    assert server_at(f"{server.url}/llm/v1").address == f"{server.url}/llm/v1/chat/completions"


def test_http_is_meant_where_nothing_is_said(server: Answers) -> None:
    server.paths["/v1/models"] = models("small")
    assert server_at(server.url.removeprefix("http://")).model == "small"


def test_a_whole_address_is_taken_as_it_is(server: Answers) -> None:
    server.paths["/v1/models"] = models("small")
    assert server_at(f"{server.url}/v1/completions") == Server(f"{server.url}/v1/completions", "openai", "small")
    whole = f"{server.url}/completion"
    assert server_at(whole, "mine") == Server(whole, "llama_cpp", "mine")


def test_ollama_is_known_by_its_own_list(server: Answers) -> None:
    server.paths["/api/tags"] = (200, {"models": [{"name": "llama3:8b"}]})
    assert server_at(server.url) == Server(f"{server.url}/api/generate", "ollama", "llama3:8b")


def test_one_of_several_models_is_chosen_by_name(server: Answers) -> None:
    server.paths["/v1/models"] = models("llama-8b", "llama-70b")
    assert server_at(server.url, "llama-70b").model == "llama-70b"
    with pytest.raises(InputError, match="has several models: choose one with --model: llama-8b, llama-70b"):
        server_at(server.url)
    with pytest.raises(InputError, match=r"has no model llama-80b; did you mean llama-(8|7)0?b\?"):
        server_at(server.url, "llama-80b")


def test_a_key_is_sent_as_a_bearer(server: Answers) -> None:
    server.paths["/v1/models"] = (401, {"error": "no key"})
    with pytest.raises(InputError, match="wants a key: name the variable that holds it with --api-key-env"):
        server_at(server.url)
    server.paths["/v1/models"] = models("small")
    server_at(server.url, api_key="of-mine")
    assert server.headers[-1]["authorization"] == "Bearer of-mine"


@pytest.mark.parametrize("answer", [(404, {}), (200, b"<html>"), (200, [1]), (200, {"data": 7})])
def test_a_server_that_is_neither_is_said(server: Answers, answer: tuple[int, Any]) -> None:
    server.paths["/v1/models"] = answer
    with pytest.raises(
        InputError, match=r"answers neither /v1/models \(.*\) nor /api/tags \(HTTP 404\): write the whole"
    ):
        server_at(server.url)


@pytest.mark.parametrize("url", ["", "ftp://h/v1", "http://", "http://h:99999/v1", "http://h:x/v1"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(InputError, match="is not an address: write it as http://host:8000/v1"):
        server_at(url)


def test_nothing_that_answers_is_said() -> None:
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:9 does not answer: .*; is the server running\?$"):
        server_at("http://127.0.0.1:9/v1")
