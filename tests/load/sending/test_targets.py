"""Names looked up once, before the clock starts."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from fmbench_lib.load.sending.targets import resolve


def place(host: str, port: int) -> dict[str, Any]:
    return {"host": host, "port": port, "tls": False, "authority": f"{host}:{port}"}


def test_a_host_with_one_address_is_not_tried_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: pytest.fail("connected"))
    target = resolve(3, place("127.0.0.1", 9))
    assert (target.number, target.address, target.failure) == (3, ("127.0.0.1", 9), "")


@pytest.mark.parametrize("listening", [0, 1, None])
def test_of_several_addresses_the_first_that_accepts_is_taken(
    monkeypatch: pytest.MonkeyPatch, listening: int | None
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        addresses = [closed.getsockname(), closed.getsockname()]
        if listening is not None:
            addresses[listening] = server.getsockname()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert resolve(0, place("localhost", 1)).address == addresses[listening or 0]


def test_a_name_that_is_none_is_kept_as_a_failure() -> None:
    for host in ("no-such-host.invalid", "a" * 70 + ".invalid", ".invalid"):
        target = resolve(0, place(host, 80))
        assert target.address is None
        assert target.failure.startswith(f"{host}: ")
