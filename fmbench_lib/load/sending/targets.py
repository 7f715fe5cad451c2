"""The addresses behind an experiment, resolved before the clock starts, and whose certificates are trusted there."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, replace
from typing import Any

from fmbench_lib.errors import InputError
from fmbench_lib.load.sending.clocks import ask_for_stamps
from fmbench_lib.load.sending.proxies import Proxy, proxy_for
from fmbench_lib.load.sending.worker_protocol import Address

_PROBE_SECONDS = 2.0
_CLOEXEC = getattr(socket, "SOCK_CLOEXEC", 0)


@dataclass(frozen=True, slots=True)
class Target:
    """One address behind an experiment; `authority` is how its URL spells it (`Host`), `proxy` the way to it.

    `address`, the proxy's where there is one, is resolved before the clock starts; None, with the reason in `failure`,
    when that did not succeed.
    """

    number: int
    host: str
    port: int
    tls: bool
    authority: str
    family: int
    address: tuple[str, int] | tuple[str, int, int, int] | None
    failure: str = ""
    proxy: Proxy | None = None

    def new_socket(self) -> socket.socket:
        """A non-blocking socket for this address, whose reads the kernel stamps where it can; raises OSError."""
        made = socket.socket(self.family, socket.SOCK_STREAM | _CLOEXEC)
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ask_for_stamps(made)
        return made

    def request(self, line: bytes) -> tuple[bytes, str]:
        """A request line as it is sent here, and the headers that only this address wants.

        A proxy gets the whole address (RFC 9112, section 3.2.2), the endpoint itself the path.
        """
        if self.proxy is None or self.tls:
            return line, ""
        method, _, rest = line.partition(b" ")
        return b"%s http://%s%s" % (method, self.authority.encode(), rest), self.proxy.credentials


def resolve(number: int, address: Address) -> Target:
    """Resolve the address once, before the clock starts; a failure becomes the error of each request to it."""
    proxy = proxy_for(address)
    host, port = (address["host"], address["port"]) if proxy is None else (proxy.host, proxy.port)
    target = Target(number, **address, family=socket.AF_INET, address=None, proxy=proxy)
    try:
        resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # UnicodeError: a part of the name that no host name may have
        reason = getattr(error, "strerror", None) or error
        return replace(target, failure=f"{'' if proxy is None else 'proxy '}{host}: {reason}")
    answering = filter(_accepts, resolved) if len(resolved) > 1 else iter(resolved)
    family, _, _, _, socket_address = next(answering, resolved[0])
    return replace(target, family=family, address=socket_address)  # type: ignore[arg-type]


def _accepts(resolved: tuple[Any, ...]) -> bool:
    """Whether a server listens there: `localhost` has two addresses, and a server often only one of them."""
    with socket.socket(resolved[0], resolved[1]) as sock:
        sock.settimeout(_PROBE_SECONDS)
        return sock.connect_ex(resolved[4]) == 0


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Certificates are verified, against the system's authorities or the bundle that the config names."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def check_bundle(ca_file: str) -> None:
    """Raise InputError where a file holds no certificates to trust."""
    try:
        tls_context(ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise InputError(f"{ca_file}: not a bundle of certificate authorities (PEM): {reason}") from None
