"""A client that shares no code with the library: raw sockets and the standard library's HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fmbench_lib.emulator import Tls

TLS_FOLDER = Path(__file__).parent / "tls"


@dataclass
class Reply:
    """A response, and those of its server-sent events that are JSON."""

    status: int
    headers: dict[str, str]
    body: bytes
    events: list[dict[str, Any]] = field(default_factory=list)

    def texts(self, kind: str = "content") -> list[str]:
        deltas = (choice["delta"] for event in self.events for choice in event.get("choices", ()))
        return [delta[kind] for delta in deltas if delta.get(kind)]

    def usage(self) -> dict[str, Any] | None:
        return next((event["usage"] for event in self.events if "usage" in event), None)


class Client:
    """One keep-alive connection of `http.client`."""

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self.address = (str(parts.hostname), int(parts.port or 0))
        if context is None:
            self.connection = http.client.HTTPConnection(*self.address, timeout=10)
        else:
            self.connection = http.client.HTTPSConnection(*self.address, timeout=10, context=context)

    def get(self, path: str) -> Reply:
        self.connection.request("GET", path)
        return self._reply()

    def ask(
        self, prompt: str = "one two three", path: str = "/v1/chat/completions", fault: str = "", **options: Any
    ) -> Reply:
        request_id = options.pop("request_id", "request-1")
        options.setdefault("stream", True)
        content = (
            {"prompt": prompt} if path == "/v1/completions" else {"messages": [{"role": "user", "content": prompt}]}
        )
        headers = {"X-Request-Id": request_id, "Content-Type": "application/json"}
        if fault:
            headers["X-Emulate-Fault"] = fault
        self.connection.request("POST", path, json.dumps({**content, **options}), headers)
        return self._reply()

    def _reply(self) -> Reply:
        response = self.connection.getresponse()
        body = response.read()
        reply = Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
        if reply.headers.get("content-type", "").startswith("text/event-stream"):
            blocks = [block for block in body.decode().split("\n\n") if block]
            assert all(block.startswith("data: ") for block in blocks)
            assert blocks[-1] == "data: [DONE]"
            reply.events = [json.loads(block.removeprefix("data: ")) for block in blocks[:-1]]
        return reply


class RawClient:
    """A raw connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10)

    def request(
        self, fault: str = "", *, stream: bool = True, prompt: str = "hello", request_id: str = "", **options: Any
    ) -> bytes:
        """The bytes of a request."""
        task = {"messages": [{"role": "user", "content": prompt}], "stream": stream, **options}
        body = json.dumps(task).encode()
        fault_line = f"X-Emulate-Fault: {fault}\r\n" if fault else ""
        id_line = f"X-Request-Id: {request_id}\r\n" if request_id else ""
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{id_line}{fault_line}Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def send(self, fault: str = "", **options: Any) -> None:
        self.socket.sendall(self.request(fault, **options))

    def read_to_end(self) -> tuple[bytes, str]:
        """Everything up to the connection's end, and whether that was `closed` or `reset`."""
        data = b""
        try:
            while part := self.socket.recv(65_536):
                data += part
        except ConnectionResetError:
            return data, "reset"
        return data, "closed"

    def read_until(self, mark: bytes) -> bytes:
        data = b""
        while mark not in data:
            part = self.socket.recv(65_536)
            assert part, data
            data += part
        return data


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    created: list[Client] = []

    def make(url: str, context: ssl.SSLContext | None = None) -> Client:
        created.append(Client(url, context))
        return created[-1]

    yield make
    for client in created:
        client.connection.close()


@pytest.fixture
def connect_raw() -> Iterator[Callable[[str], RawClient]]:
    created: list[RawClient] = []

    def make(url: str) -> RawClient:
        created.append(RawClient(url))
        return created[-1]

    yield make
    for client in created:
        client.socket.close()


@pytest.fixture(scope="session")
def server_tls() -> Tls:
    return Tls(TLS_FOLDER / "certificate.pem", TLS_FOLDER / "key.pem")


@pytest.fixture(scope="session")
def client_tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=TLS_FOLDER / "certificate.pem")
