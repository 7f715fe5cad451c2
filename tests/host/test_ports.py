"""Which port a config asks for, and which ones are free."""

from __future__ import annotations

import socket

import pytest

from fmbench_lib.errors import DeployError
from fmbench_lib.host.ports import claim_ports, wanted_port


@pytest.mark.parametrize(
    ("ep_name", "port"),
    [
        (None, None),
        ("", None),
        ("8080", 8080),
        ("localhost:8080", 8080),
        ("http://127.0.0.1:8080/v1/chat/completions", 8080),
        ("http://127.0.0.1/v1/chat/completions", None),
        ("my-endpoint", None),
    ],
)
def test_the_port_in_an_endpoints_name(ep_name: str | None, port: int | None) -> None:
    assert wanted_port(ep_name) == port


def test_a_port_that_is_none_is_said() -> None:
    with pytest.raises(DeployError, match=r"http://127\.0\.0\.1:http/"):
        wanted_port("http://127.0.0.1:http/")


def test_free_ports_are_promised_once() -> None:
    claimed = [port for _ in range(20) for port in claim_ports(None, 3)]
    assert len(set(claimed)) == len(claimed) == 60
    for port in claimed[:3]:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_later_copy_on_a_taken_port_is_said() -> None:
    taken = next(port for port in range(20_001, 30_000) if free(port) and free(port - 1))  # which nobody gets by chance
    with socket.create_server(("127.0.0.1", taken)), pytest.raises(DeployError, match=f"port {taken} is taken"):
        claim_ports(taken - 1, 2)


def free(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_is_taken_also_by_who_listens_everywhere() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DeployError, match=f"port {port} is taken"):
            claim_ports(port, 1)


def test_a_port_whose_last_connection_is_over_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server, _ = listener.accept()
        server.close()  # the side that closes first waits in TIME_WAIT
        client.close()
    assert claim_ports(port, 1) == [port]
