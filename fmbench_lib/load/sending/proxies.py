"""Proxies from the environment: which address is reached through which proxy, and the requests to a proxy.

`http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` mean what they mean to other programs, in lower or upper case.
`no_proxy` may hold networks (`10.0.0.0/8`) too, and this machine itself is never reached through a proxy. Credentials
stay in the environment: each worker reads them there, and no plan, record or message holds them.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from fmbench_lib.errors import InputError, ProtocolError
from fmbench_lib.load.sending.worker_protocol import Address

_LONGEST_ANSWER = 64 * 1024
_PORT = 8080


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a proxy listens, and the header line with its credentials ("" where its address has none)."""

    host: str
    port: int
    credentials: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def tunnel_request(self, host: str, port: int) -> bytes:
        """The request for a tunnel to an address (RFC 9110, section 9.3.6)."""
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n{self.credentials}\r\n".encode("latin-1")


def proxy_for(address: Address, environ: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy to reach an address through; None where it is reached directly.

    Raises InputError for a proxy that cannot be used.
    """
    names = os.environ if environ is None else environ
    proxies = {name.lower(): value for name, value in sorted(names.items()) if name.lower().endswith("_proxy")}
    scheme = "https" if address["tls"] else "http"
    variable = next((name for name in (f"{scheme}_proxy", "all_proxy") if proxies.get(name)), None)
    if variable is None or _reached_directly(address["host"], address["port"], proxies.get("no_proxy", "")):
        return None
    value = proxies[variable]
    parts = urlsplit(value if "://" in value else f"http://{value}")
    return _proxy(parts, variable)


def _proxy(parts: SplitResult, variable: str) -> Proxy:
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme != "http" or not host:
        kind = f"a {parts.scheme} proxy" if parts.scheme != "http" else "no valid address"
        raise InputError(f"{variable} names {kind}; write http://host:port, or name the endpoint's host in no_proxy")
    credentials = ""
    if parts.username is not None:
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = f"proxy-authorization: Basic {base64.b64encode(words.encode()).decode()}\r\n"
    return Proxy(host, port or _PORT, credentials)


def _reached_directly(host: str, port: int, no_proxy: str) -> bool:
    """Whether `no_proxy` covers a host: by name, domain, address, network or `*`, each with or without a port."""
    number = _ip(host)
    if host == "localhost" or (number is not None and number.is_loopback):
        return True
    for entry in (part.strip().lower() for part in no_proxy.split(",")):
        name, colon, wanted = entry.rpartition(":")
        if colon and wanted.isdigit() and _ip(entry) is None:
            if int(wanted) != port:
                continue
            entry = name.strip("[]")
        if entry == "*" or (entry and _covers(entry, host.lower(), number)):
            return True
    return False


def _covers(entry: str, host: str, number: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if number is None:
        domain = entry.removeprefix("*").lstrip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return number in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def tunnel_answer(data: bytes) -> str | None:
    """What is wrong with a proxy's answer to `tunnel_request`: "" where the tunnel is open, None until it is complete.

    Raises ProtocolError where it is not a proxy's answer, or something follows it: an endpoint sends nothing unasked.
    """
    head, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        if len(data) > _LONGEST_ANSWER:
            raise ProtocolError("its answer to CONNECT has no end")
        return None
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise ProtocolError(f"it does not speak HTTP: {head[:60]!r}")
    if words[1] == "407":
        return "it asks for credentials (HTTP 407): write http://user:password@host:port in the proxy variable"
    if not words[1].startswith("2"):
        return f"it refuses the tunnel to the endpoint: HTTP {' '.join(words[1:])[:200]}"
    if rest:
        raise ProtocolError("it sent more than the answer to CONNECT")
    return ""
