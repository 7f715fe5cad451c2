"""Ports of this machine: which port a config asks for, and which are free."""

from __future__ import annotations

import errno
import socket
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit

from fmbench_lib.errors import DeployError

HOST = "127.0.0.1"
ALL_ADDRESSES = "0.0.0.0"
"""Where a server listens at all addresses of this machine."""
_ELSEWHERE = "192.0.2.1"  # an address for documentation (RFC 5737)
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


def claim_ports(first: int | None, count: int, host: str = HOST) -> list[int]:
    """`count` free ports at an address of this machine: from `first` upwards, or any.

    Raises DeployError where one of those is taken, or the address is another machine's.
    """
    with _reserving, ExitStack() as held:
        if first is None:
            ports: list[int] = []
            while len(ports) < count:
                port = _bind(0, held, host)
                if port not in _reserved:
                    ports.append(port)
            _reserved.update(ports)
            return ports
        ports = [_bind(port, held, host) for port in range(first, first + count)]
        _reserved.update(ports)
        return ports


def own_address() -> str | None:
    """The address of this machine that others reach it at, by its route to them; None without a network.

    Nothing is sent. Behind an address translation, as with a public address on EC2, that one is not known here.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unconnected:
        try:
            unconnected.connect((_ELSEWHERE, 9))
        except OSError:
            return None
        address: str = unconnected.getsockname()[0]
        return address


def _bind(port: int, held: ExitStack, host: str) -> int:
    """Hold a port for as long as `held` is open."""
    listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections do not count
    try:
        listener.bind((host, port))
        listener.listen(1)
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRNOTAVAIL:
            raise DeployError(
                f"{host} is not an address of this machine; write one that is, or ec2.listen_address: {ALL_ADDRESSES}"
            ) from None
        raise DeployError(
            f"port {port} is taken ({error}); stop what listens there, write another port, or none for a free one"
        ) from error
    taken: int = listener.getsockname()[1]
    return taken
