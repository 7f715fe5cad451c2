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
        self.sent_with: dict[str, str] = {}
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
            for name, value in answers.sent_with.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

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
    server.paths["/v1/completions"] = (400, {"error": "no prompt"})
    assert server_at(f"{server.url}/v1/completions") == Server(f"{server.url}/v1/completions", "openai", "small")
    server.paths["/completion"] = (400, {"error": "no prompt"})
    whole = f"{server.url}/completion"
    assert server_at(whole) == Server(whole, "llama_cpp", "small")
    assert server_at(whole, "mine") == Server(whole, "llama_cpp", "mine")


@pytest.mark.parametrize(
    ("path", "protocol"),
    [
        ("/api/generate", "ollama"),
        ("/generate", "tgi"),
        ("/generate_stream", "tgi"),
        ("/v2/models/ensemble/generate_stream", "triton"),
        ("/v2/models/ensemble/versions/1/generate", "triton"),
    ],
)
def test_the_protocol_of_a_whole_address_follows_from_its_end(server: Answers, path: str, protocol: str) -> None:
    server.paths[path] = (422, {"error": "no prompt"})
    assert server_at(server.url + path).protocol == protocol


@pytest.mark.parametrize(
    ("path", "answer", "protocol"),
    [
        ("/completions", {"choices": [{"text": "a"}]}, "openai"),
        ("/completions/", {"content": "a", "stop": True}, "llama_cpp"),
        ("/llm/completions", {"choices": []}, "openai"),
        ("/invocations", {"generated_text": "a"}, "djl"),
        ("/invocations", [{"generated_text": "a"}], "djl"),
        ("/invocations/", {"choices": [{"text": "a"}]}, "openai"),
    ],
)
def test_the_protocol_of_a_path_that_several_have_is_that_of_its_answer(
    server: Answers, path: str, answer: Any, protocol: str
) -> None:
    server.paths = {"/v1/models": models("small"), path.rstrip("/"): (200, answer)}
    root = "/llm" if path.startswith("/llm") else ""
    server.paths[f"{root}/models"] = models("small")
    assert server_at(server.url + path) == Server(server.url + path.rstrip("/"), protocol, "small")


def test_a_shared_path_that_answers_in_no_form_is_one_line(server: Answers) -> None:
    server.paths["/invocations"] = (422, {"error": "columns expected"})
    with pytest.raises(
        InputError,
        match=r"^http://[\d.:]+/invocations takes neither DJL's requests \(HTTP 422: columns expected\) nor OpenAI's "
        r"requests \(HTTP 422: columns expected\): write a config with its protocol",
    ):
        server_at(f"{server.url}/invocations")
    server.paths["/invocations"] = (401, {"error": "no key"})
    with pytest.raises(InputError, match="wants a key"):
        server_at(f"{server.url}/invocations")
    server.paths.clear()
    with pytest.raises(InputError, match="takes no requests"):
        server_at(f"{server.url}/invocations")


def test_azures_addresses_hold_the_name_of_a_deployment(server: Answers) -> None:
    path, query = "/openai/deployments/gpt-x", "?api-version=2024-06-01"
    server.paths[f"{path}/chat/completions{query}"] = (400, {"error": {"message": "messages is required"}})
    whole = f"{server.url}{path}/chat/completions{query}"
    assert server_at(whole, api_key="k-1") == Server(whole, "openai", "gpt-x")
    assert server_at(f"{server.url}{path}/{query}").address == whole
    server_at(whole, api_key="k-1")  # a key of Azure's is no bearer token
    assert server.headers[-1]["api-key"] == "k-1"
    assert "authorization" not in server.headers[-1]


@pytest.mark.parametrize(
    ("path", "protocol", "model"),
    [
        ("/endpoints/my-llm/invocations", "sagemaker", "my-llm"),
        ("/endpoints/my-llm/invocations-response-stream", "sagemaker", "my-llm"),
        ("/model/anthropic.claude-3%3A0/converse", "bedrock", "anthropic.claude-3:0"),
        ("/model/m/converse-stream", "bedrock", "m"),
        ("/model/m/invoke-with-response-stream", "bedrock_invoke", "m"),
    ],
)
def test_addresses_of_aws_are_known_by_their_paths(path: str, protocol: str, model: str) -> None:
    """They answer signed requests only, so they are not asked."""
    address = f"https://runtime.example:9{path}"
    assert server_at(address) == Server(address, protocol, model)


def test_schemes_in_any_case_and_ipv6(server: Answers) -> None:
    server.paths["/v1/models"] = models("small")
    assert server_at(server.url.replace("http", "HTTP") + "/v1").address == f"{server.url}/v1/chat/completions"
    with pytest.raises(InputError, match=r"^http://\[::1\]:9 does not answer: "):
        server_at("http://[::1]:9/v1")


def test_a_query_is_kept_and_a_fragment_is_not(server: Answers) -> None:
    server.paths["/v1/models?api-version=2"] = models("small")
    found = server_at(f"{server.url}//v1/?api-version=2#chat")
    assert found.address == f"{server.url}/v1/chat/completions?api-version=2"


def test_tgi_is_known_by_what_it_says_of_itself(server: Answers) -> None:
    server.paths["/info"] = (200, {"model_id": "org/small", "version": "2.0.1"})
    assert server_at(server.url) == Server(f"{server.url}/generate_stream", "tgi", "org/small")


def test_triton_needs_the_name_of_its_model(server: Answers) -> None:
    server.paths["/v2"] = (200, {"name": "triton", "extensions": []})
    with pytest.raises(InputError, match=r"is a Triton server: write the whole address with its model, .*/v2/models/"):
        server_at(server.url)


def test_ollama_is_known_by_its_own_list(server: Answers) -> None:
    server.paths["/api/tags"] = (200, {"models": [{"name": "llama3:8b"}]})
    assert server_at(server.url) == Server(f"{server.url}/api/chat", "ollama", "llama3:8b")


def test_one_of_several_models_is_chosen_by_name(server: Answers) -> None:
    server.paths["/v1/models"] = models("llama-8b", "llama-70b")
    assert server_at(server.url, "llama-70b").model == "llama-70b"
    with pytest.raises(InputError, match="has several models: choose one with --model: llama-8b, llama-70b"):
        server_at(server.url)
    with pytest.raises(InputError, match=r"has no model llama-80b; did you mean llama-(8|7)0?b\?"):
        server_at(server.url, "llama-80b")


def test_a_key_is_sent_as_a_bearer(server: Answers) -> None:
    server.paths["/v1/models"] = (401, {"error": "no key"})
    with pytest.raises(
        InputError, match=r"wants a key \(HTTP 401: no key\): name the variable that holds it with --api"
    ):
        server_at(server.url)
    with pytest.raises(InputError, match=r"refuses the key that --api-key-env names \(HTTP 401: no key\): check it"):
        server_at(server.url, api_key="of-another")
    server.paths["/v1/models"] = models("small")
    server_at(server.url, api_key="of-mine")
    assert server.headers[-1]["authorization"] == "Bearer of-mine"


@pytest.mark.parametrize("answer", [(404, {}), (200, b"words"), (200, [1]), (200, {"data": 7})])
def test_a_server_that_is_neither_is_said(server: Answers, answer: tuple[int, Any]) -> None:
    server.paths["/v1/models"] = answer
    with pytest.raises(
        InputError, match=r"answers neither /v1/models \(.*\) nor /api/tags \(HTTP 404: not found\): write the whole"
    ):
        server_at(server.url)


@pytest.mark.parametrize("path", ["", "/dashboard", "/v1/chat/completions"])
def test_a_web_page_is_said_to_be_one(server: Answers, path: str) -> None:
    page = (200, b"<!doctype html><title>Grafana\n</title>")
    server.paths = dict.fromkeys(
        ("/v1/models", "/api/tags", "/info", "/v2", "/dashboard", "/dashboard/models", "/dashboard/v1/models",
         "/dashboard/api/tags", "/dashboard/info", "/dashboard/v2", "/v1/chat/completions"), page
    )  # fmt: skip
    with pytest.raises(InputError, match="answers with a web page, Grafana, and not as a model server: check host"):
        server_at(server.url + path)


def test_a_path_that_takes_no_requests_is_said_with_the_one_that_does(server: Answers) -> None:
    server.paths["/v1/models"] = models("small")
    with pytest.raises(
        InputError, match=rf"/docs takes no requests, but the server does: write --url {server.url}/v1$"
    ):
        server_at(f"{server.url}/docs")
    server.paths.clear()
    with pytest.raises(
        InputError, match=r"takes no requests \(HTTP 404: not found\): check the path, or write the base"
    ):
        server_at(f"{server.url}/v1/completions")


def test_a_status_that_speaks_of_the_model_is_not_of_the_path(server: Answers) -> None:
    server.paths["/v1/completions"] = (404, {"error": {"message": "The model `` does not exist."}})
    assert server_at(f"{server.url}/v1/completions").model is None


def test_a_redirect_is_said_with_its_end(server: Answers) -> None:
    server.paths["/v1/models"] = (308, b"")
    server.sent_with = {"location": "https://elsewhere:8443/v1/models"}
    with pytest.raises(InputError, match=r"redirects to https://elsewhere:8443: write that with --url$"):
        server_at(server.url)


def test_a_server_that_is_not_ready_is_said(server: Answers) -> None:
    server.paths["/v1/models"] = (503, {"error": {"message": "Loading model"}})
    with pytest.raises(InputError, match=r"fails \(HTTP 503: Loading model\): wait until it is ready, and try again$"):
        server_at(server.url)


def test_a_user_name_and_password_are_given_by_a_variable(server: Answers) -> None:
    server.paths["/v1/models"] = (401, {})
    server.sent_with = {"www-authenticate": "Basic realm=x"}
    with pytest.raises(InputError, match=r'wants a user name and password .*KEY="Basic .*--api-key-env KEY$'):
        server_at(server.url)
    with pytest.raises(InputError, match=r"^--url http://…@host:1 holds a user name or password") as caught:
        server_at("http://ann:mine@host:1/v1")
    assert "mine" not in str(caught.value)
    server.paths["/v1/models"] = models("small")
    server_at(server.url, api_key="Basic YW5uOm1pbmU=")
    assert server.headers[-1]["authorization"] == "Basic YW5uOm1pbmU="


@pytest.mark.parametrize("url", ["", "ftp://h/v1", "http://", "arn:aws:x:y:1:endpoint/z"])
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(InputError, match="is not an address: write it as http://host:8000/v1"):
        server_at(url)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("http://h:99999/v1", "write a number from 1 to 65535"),
        ("http://h:x/v1", "write a number from 1 to 65535"),
        ("http:/h:8000/v1", r"did you mean http://h:8000/v1\?"),
        ("https//h:8000/v1", r"did you mean https://h:8000/v1\?"),
        ("::1", "in brackets, http://"),
        ("http://::1:8000/v1", "in brackets, http://"),
        ("http://h /v1", "write %20"),
    ],
)
def test_an_address_that_is_nearly_one_is_said_with_what_to_write(url: str, remedy: str) -> None:
    with pytest.raises(InputError, match=remedy):
        server_at(url)


def test_nothing_that_answers_is_said() -> None:
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:9 does not answer: .*; is the server running\?$"):
        server_at("http://127.0.0.1:9/v1")
