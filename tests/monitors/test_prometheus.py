"""Metrics pages over HTTP: those that there are, those that there are not, and those that never come."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from fmbench_lib.monitors.prometheus import Page, page_beside, shown
from fmbench_lib.monitors.source import SourceUnavailableError

VLLM = (Path(__file__).parent / "data" / "vllm.txt").read_bytes()


@pytest.fixture
def serve() -> Iterator[Callable[[int, bytes], str]]:
    """A server whose every page has a status and a body; its address."""
    servers = []

    def start(status: int, body: bytes) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/metrics"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_page_is_read_with_the_copy_that_it_is_of(serve: Callable[[int, bytes], str]) -> None:
    readings = Page(serve(200, VLLM), {"copy": "1"}).read()
    assert {one.series.label("copy") for one in readings} == {"1"}
    assert "server_ttft" in {one.series.metric for one in readings}


@pytest.mark.parametrize(("status", "body"), [(404, b"no"), (403, b""), (200, b"<html></html>"), (200, b"")])
def test_a_server_without_a_page_is_not_asked_again(
    serve: Callable[[int, bytes], str], status: int, body: bytes
) -> None:
    with pytest.raises(SourceUnavailableError) as raised:
        Page(serve(status, body), {}).read()
    assert raised.value.expected is True


def test_an_address_that_the_config_names_is_worth_a_word(serve: Callable[[int, bytes], str]) -> None:
    with pytest.raises(SourceUnavailableError, match="HTTP 404") as raised:
        Page(serve(404, b""), {}, requested=True).read()
    assert raised.value.expected is False


def test_a_page_of_nothing_that_we_know_is_looked_at_again(serve: Callable[[int, bytes], str]) -> None:
    with pytest.raises(ValueError, match="no metric of a known serving stack"):
        Page(serve(200, b"# TYPE python_info gauge\npython_info 1\n"), {}).read()


def test_a_page_that_fails_now_may_come_again(serve: Callable[[int, bytes], str]) -> None:
    with pytest.raises(OSError, match="HTTP 503"):
        Page(serve(503, b"loading"), {}).read()


def test_a_page_that_never_comes_is_an_error_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        page = Page(f"http://127.0.0.1:{silent.getsockname()[1]}/metrics", {}, timeout=0.05)
        with pytest.raises(OSError, match=r"no answer within|timed out"):
            page.read()


def test_the_page_of_an_endpoint_is_on_its_own_port_and_names_no_secret() -> None:
    assert page_beside("http://u:p@host:8000/v1/chat/completions?key=x") == "http://host:8000/metrics"
    assert shown("https://u:p@host/metrics?token=x") == "https://host/metrics"
