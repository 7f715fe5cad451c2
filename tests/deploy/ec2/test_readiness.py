"""When a container counts as ready, and what is reported until then."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.deploy import DeployContext
from fmbench_lib.deploy.ec2 import readiness, warm_up_request
from fmbench_lib.deploy.ec2.container import StartRequest
from fmbench_lib.deploy.ec2.docker import State
from fmbench_lib.errors import DeployError, EndpointError


@pytest.fixture
def context(tmp_path: Path) -> DeployContext:
    def never(*_: object) -> None:
        raise AssertionError("nothing is recorded or asked")

    return DeployContext("run", tmp_path, (), never, lambda _: None, never)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """A server in a container's place that is well, and gives these answers to what is posted.

    Without an answer it hangs up; one that `holds` leaves its answer open, as a pull of a large model does.
    """
    heard: list[str] = []
    answers: list[bytes] = []
    answered_in_full = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            if not answers:
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers.pop(0))
            answered_in_full.wait()

        def log_message(self, format: str, *args: object) -> None:
            """A test's output is not the place."""

    running = State(True, "running", 0, False, "", "sha256:1", {}, False)
    monkeypatch.setattr("fmbench_lib.deploy.ec2.docker.state", lambda address, name: running)
    monkeypatch.setattr("fmbench_lib.deploy.ec2.docker.save_log", lambda address, name, path: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()

        def make(*message: bytes, holds: bool = False) -> dict[str, Any]:
            answers.extend(message)
            if not holds:
                answered_in_full.set()
            facts = {"name": "x", "engine": "", "port": http.server_port, "health_path": "/", "log_file": "/none"}
            return {**facts, "url": f"http://127.0.0.1:{http.server_port}/", "heard": heard}

        yield make
        answered_in_full.set()
        http.shutdown()
        thread.join()


def waited(resource: dict[str, Any], context: DeployContext, *requests: StartRequest, patience: float = 60) -> None:
    readiness.wait_until_ready([resource], "m", patience, context, {"x": requests})


PULL = StartRequest("/api/pull", {"model": "m"}, "pulls m")


def test_a_container_is_prepared_once_and_then_probed(
    server: Callable[..., dict[str, Any]], context: DeployContext
) -> None:
    resource = server(b'{"status":"pulling"}\n{"status":"success"}\n')
    probes: list[str] = []

    def probe(url: str, model: str | None) -> None:
        probes.append(url)
        if len(probes) < 3:
            raise EndpointError("still loading")

    message: list[str] = []
    waited(resource, replace(context, probe=probe, say=message.append, pause=lambda _: None), PULL)
    assert resource["heard"] == ['{"model": "m"}']
    assert len(probes) == 3
    assert message == ["container x pulls m", "container x answers, 0 s after its start"]


def test_a_preparation_that_fails_says_why(server: Callable[..., dict[str, Any]], context: DeployContext) -> None:
    resource = server(b'{"status":"pulling"}\n{"error":"pull model manifest: file does not exist"}\n')
    with pytest.raises(DeployError, match="container x, which pulls m: HTTP 200: pull model manifest: file does not"):
        waited(resource, context, PULL)


def test_a_pull_can_be_interrupted(server: Callable[..., dict[str, Any]], context: DeployContext) -> None:
    resource = server(b'{"status":"pulling 1%"}\n', holds=True)

    def pause(seconds: float) -> None:
        if resource["heard"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waited(resource, replace(context, pause=pause), PULL)


def test_a_pull_counts_towards_the_loading_timeout(
    server: Callable[..., dict[str, Any]], context: DeployContext
) -> None:
    resource = server(b'{"status":"pulling 1%"}\n', holds=True)
    message = (
        r"container x, which pulls m, was not ready within 0 s \(model_loading_timeout\): no response yet; its log"
    )
    with pytest.raises(DeployError, match=message):
        waited(resource, context, PULL, patience=0)


def test_a_server_that_drops_the_connection_during_preparation(
    server: Callable[..., dict[str, Any]], context: DeployContext
) -> None:
    with pytest.raises(DeployError, match=r"container x, which pulls m, does not answer: Remote .*; its log ends"):
        waited(server(), context, PULL)


def test_a_response_cut_between_two_chunks_is_an_error() -> None:
    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while b"{}" not in connection.recv(65536):
                pass
            connection.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"a":1}\n\r\n')

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        with pytest.raises(http.client.IncompleteRead):
            warm_up_request.send(listener.getsockname()[1], StartRequest("/api/pull", {}, "pulls m"), lambda _: None)
        thread.join()


def test_a_healthy_server_that_never_answers(
    server: Callable[..., dict[str, Any]], context: DeployContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe(url: str, model: str | None) -> None:
        raise EndpointError("HTTP 404: no such model")

    monkeypatch.setattr(readiness, "_ANSWER_GRACE_S", -1)
    with pytest.raises(DeployError, match="x is healthy but does not answer a request: HTTP 404: no such model"):
        waited(server(), replace(context, probe=probe))
