"""Proxies from the environment: which one is taken, what it is told, and what becomes of the ways that it refuses."""

from __future__ import annotations

import base64
import json
import socket
import threading
from typing import Any

import pytest

from fmbench_lib.emulator import Tls, launch
from fmbench_lib.errors import InputError, ProtocolError
from fmbench_lib.load.sending.proxies import proxy_for, tunnel_answer
from tests.load.conftest import ANSWER, PATH, Measure, Peer, self_signed

CREDENTIALS = base64.b64encode(b"alice:s3cret/word").decode()
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def chosen(host: str, environ: dict[str, str], *, tls: bool = False, port: int = 80) -> str | None:
    proxy = proxy_for({"host": host, "port": port, "tls": tls}, environ)
    return None if proxy is None else str(proxy)


class TestChoice:
    @pytest.mark.parametrize(
        ("environ", "tls", "expected"),
        [
            ({}, False, None),
            ({"http_proxy": "http://p:3128"}, False, "p:3128"),
            ({"http_proxy": "http://p:3128"}, True, None),
            ({"HTTPS_PROXY": "http://p:3128/"}, True, "p:3128"),
            ({"HTTP_PROXY": "http://upper:1", "http_proxy": "http://lower:2"}, False, "lower:2"),
            ({"all_proxy": "p"}, True, "p:8080"),
            ({"all_proxy": "http://any:1", "https_proxy": "http://tls:2"}, True, "tls:2"),
            ({"http_proxy": ""}, False, None),
            ({"http_proxy": "http://[::2]:3128"}, False, "[::2]:3128"),
        ],
    )
    def test_by_scheme(self, environ: dict[str, str], tls: bool, expected: str | None) -> None:
        assert chosen("models.example", environ, tls=tls) == expected

    @pytest.mark.parametrize(
        ("host", "no_proxy", "direct"),
        [
            ("models.example", "example", True),
            ("models.example", ".example", True),
            ("models.example", "*.example", True),
            ("models.example", "models.example:80", True),
            ("models.example", "models.example:81", False),
            ("models.example", "other, MODELS.example", True),
            ("mymodels.example", "models.example", False),
            ("models.example", "*", True),
            ("models.example", "", False),
            ("10.1.2.3", "10.0.0.0/8", True),
            ("10.1.2.3", "10.1.2.3:80", True),
            ("11.1.2.3", "10.0.0.0/8", False),
            ("2001:db8::1", "[2001:db8::1]:80", True),
            ("2001:db8::1", "2001:db8::/32", True),
            ("localhost", "", True),
            ("127.8.0.1", "", True),
            ("::1", "", True),
        ],
    )
    def test_what_is_reached_directly(self, host: str, no_proxy: str, direct: bool) -> None:
        found = chosen(host, {"http_proxy": "http://p:3128", "no_proxy": no_proxy})
        assert found == (None if direct else "p:3128")

    @pytest.mark.parametrize("value", ["socks5://p:1080", "https://p:3128", "http://p:high", "http://"])
    def test_one_that_cannot_be_used_is_said_without_its_secrets(self, value: str) -> None:
        value = value.replace("://", "://alice:s3cret@")
        with pytest.raises(InputError, match=r"^http_proxy names .*write http://host:port") as caught:
            chosen("models.example", {"HTTP_PROXY": value})
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"HTTP/1.1 200 Connection established\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nvia: p\r\n", None),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "asks for credentials"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\nno", "refuses the tunnel to the endpoint: HTTP 403 Forbidden"),
    ],
)
def test_the_answer_to_connect(data: bytes, expected: str | None) -> None:
    said = tunnel_answer(data)
    assert (said in ("", None) and said == expected) or (expected and expected in str(said))


@pytest.mark.parametrize("data", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nmore", b"x" * 70_000])
def test_what_is_no_answer_to_connect(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        tunnel_answer(data)


def proxy_at(server: Any) -> str:
    return f"http://alice:s3cret%2Fword@{server.url.removeprefix('http://').removesuffix(PATH)}"


def test_over_http_the_proxy_is_asked_for_the_whole_address(
    measure: Measure, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(peer: Peer) -> None:
        while peer.request():
            peer.send(ANSWER)

    proxy = scripted([answer])
    monkeypatch.setenv("http_proxy", proxy_at(proxy))
    level = measure(f"http://models.invalid:8000{PATH}", ["one", "two"], requests=2, stream=False)
    assert [row["error"] for row in level.rows] == [None, None]
    assert level.rows[1]["reused"]
    for request in proxy.received:
        assert request.startswith(f"POST http://models.invalid:8000{PATH} HTTP/1.1\r\n".encode())
        assert b"\r\nhost: models.invalid:8000\r\n" in request
        assert f"\r\nproxy-authorization: Basic {CREDENTIALS}\r\n".encode() in request
    assert not [row for row in level.rows if "s3cret" in json.dumps(row, default=str)]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for a name that only the proxy knows the way to."""
    return self_signed(tmp_path_factory.mktemp("tls"), "models.invalid", "DNS:models.invalid")


def pump(source: socket.socket, sink: socket.socket) -> None:
    while data := source.recv(65536):
        sink.sendall(data)


def tunnel_to(address: tuple[str, int], heads: list[bytes]) -> Any:
    """Handles a connection as a proxy does that opens every way, to one address."""

    def handle(peer: Peer) -> None:
        heads.append(peer.head())
        with socket.create_connection(address, timeout=20) as upstream:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(upstream, peer.sock))
            back.start()
            pump(peer.sock, upstream)
            upstream.shutdown(socket.SHUT_WR)
            back.join()

    return handle


def test_over_https_a_tunnel_is_opened_and_nothing_but_its_address_is_told(
    measure: Measure, scripted: Any, certificate: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []
    with launch(tls=certificate) as emulator:
        host, _, port = emulator.url.split("/")[2].partition(":")
        proxy = scripted([tunnel_to((host, int(port)), heads)])
        monkeypatch.setenv("HTTPS_PROXY", proxy_at(proxy))
        url = f"https://models.invalid{PATH}"
        level = measure(url, ["one", "two", "three"], requests=3, ca_bundle=str(certificate.certfile), api_key="sk-1")
        ledger = {entry.request_id for entry in emulator.ledger()}
    assert [row["error"] for row in level.rows] == [None] * 3
    assert {row["request_id"] for row in level.rows} == ledger
    assert [row["reused"] for row in level.rows] == [False, True, True]
    assert heads == [
        f"CONNECT models.invalid:443 HTTP/1.1\r\nhost: models.invalid:443\r\n"
        f"proxy-authorization: Basic {CREDENTIALS}\r\n\r\n".encode()
    ]
    assert {row["stamp_source"] for row in level.rows} == {"kernel"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "it asks for credentials (HTTP 407)"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n", "HTTP 502 Bad Gateway"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
        (b"", "closed the connection"),
    ],
)
def test_a_way_that_is_refused_is_no_connection(
    measure: Measure, scripted: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes, words: str
) -> None:
    def refuse(peer: Peer) -> None:
        peer.head()
        peer.send(answer)

    proxy = scripted([refuse])
    monkeypatch.setenv("https_proxy", proxy_at(proxy))
    level = measure(f"https://models.invalid{PATH}", ["one"], requests=1)
    (row,) = level.rows
    assert (row["error"], row["sent"]) == ("connect", None)
    assert row["error_message"].startswith("proxy 127.0.0.1:")
    assert words in row["error_message"]
    assert "s3cret" not in row["error_message"]


def test_a_proxy_that_is_not_there(measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{closed.getsockname()[1]}")
        (row,) = measure(f"http://models.invalid{PATH}", ["one"], requests=1).rows
    assert row["error"] == "connect"
    assert "proxy 127.0.0.1:" in row["error_message"]
    monkeypatch.setenv("http_proxy", "http://no-such-proxy.invalid:1")
    (row,) = measure(f"http://models.invalid{PATH}", ["one"], requests=1).rows
    assert row["error"] == "dns"
    assert row["error_message"].startswith("proxy no-such-proxy.invalid: ")


def test_one_that_cannot_be_used_stops_the_level_before_it_begins(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "socks5://p:1080")
    with pytest.raises(InputError, match="http_proxy names a socks5 proxy"):
        measure(f"http://models.invalid{PATH}", ["one"], requests=1)
