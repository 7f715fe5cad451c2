"""Ports of this machine: which port a config asks for, and which are free."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit

from fmbench_lib.errors import DeployError

HOST = "127.0.0.1"
# Experiments are deployed in parallel: a free port stays reserved for the first, whose server has yet to bind it.
_reserved: set[int] = set()
_reserving = threading.Lock()


def wanted_port(ep_name: str | None) -> int | None:
    """The port in an endpoint's name: `http://127.0.0.1:8080/...`, `localhost:8080` or `8080`; None where it has none.

    Raises DeployError where it is not a valid port.
    """
    if not ep_name:
        return None
    if ep_name.isdecimal():
        return int(ep_name)
    try:
        return urlsplit(ep_name if "://" in ep_name else f"//{ep_name}").port
    except ValueError:
        raise DeployError(f"ep_name {ep_name} has no valid port") from None


def claim_ports(first: int | None, count: int) -> list[int]:
    """`count` free ports: from `first` upwards, or any. Raises DeployError where one of those is taken."""
    with _reserving, ExitStack() as held:
        if first is None:
            ports: list[int] = []
            while len(ports) < count:
                port = _bind(0, held)
                if port not in _reserved:
                    ports.append(port)
            _reserved.update(ports)
            return ports
        ports = [_bind(port, held) for port in range(first, first + count)]
        _reserved.update(ports)
        return ports


def _bind(port: int, held: ExitStack) -> int:
    """Hold a port for as long as `held` is open."""
    listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections do not count
    try:
        listener.bind((HOST, port))
        listener.listen(1)
    except (OSError, OverflowError) as error:
        raise DeployError(
            f"port {port} is taken ({error}); stop what listens there, write another port, or none for a free one"
        ) from error
    taken: int = listener.getsockname()[1]
    return taken
