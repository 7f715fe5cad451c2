"""Ports of this machine: which one a config asks for, and which ones are free."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit

from fmbench_lib.errors import DeployError

HOST = "127.0.0.1"
# Experiments are deployed side by side: a port found free stays promised to the first, whose server is yet to take it.
_promised: set[int] = set()
_promising = threading.Lock()


def wanted_port(ep_name: str | None) -> int | None:
    """The port that an endpoint's name asks for: `http://127.0.0.1:8080/...`, `localhost:8080` or `8080`."""
    if not ep_name:
        return None
    if ep_name.isdecimal():
        return int(ep_name)
    try:
        return urlsplit(ep_name if "://" in ep_name else f"//{ep_name}").port
    except ValueError:
        raise DeployError(f"ep_name {ep_name} has no port that could be listened on") from None


def claim_ports(first: int | None, count: int) -> list[int]:
    """`count` free ports: from `first` upwards, or any. Raises DeployError where one that is asked for is taken."""
    with _promising, ExitStack() as held:
        if first is None:
            ports: list[int] = []
            while len(ports) < count:
                port = _bind(0, held)
                if port not in _promised:
                    ports.append(port)
            _promised.update(ports)
            return ports
        ports = [_bind(port, held) for port in range(first, first + count)]
        _promised.update(ports)
        return ports


def _bind(port: int, held: ExitStack) -> int:
    """Take a port for as long as `held` is open."""
    listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that are over do not count
    try:
        listener.bind((HOST, port))
        listener.listen(1)
    except (OSError, OverflowError) as error:
        raise DeployError(
            f"port {port} is taken ({error}); end what listens there, write another port, or none for a free one"
        ) from error
    taken: int = listener.getsockname()[1]
    return taken
