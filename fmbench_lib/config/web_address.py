"""Whether an address can be connected to at all: its form, its host, its port."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from fmbench_lib.config.plain_text import fault_of_line

SCHEMES = ("http", "https")
_MOST_HOST = 253  # characters of a host name (RFC 1035)


def fault_of_address(address: str) -> str | None:
    """What is wrong with an http or https address, with what to write instead; None if nothing is."""
    fault = fault_of_line(address)
    if fault is not None:
        return fault
    if not re.match(r"https?://[^/\s]+", address):
        return "write an address with http:// or https://"
    if re.search(r"\s", address):
        return "has a space in it; write %20 for it"
    parts = split(address)
    if parts is None:
        return "is not an address; an IPv6 address is written in brackets, http://[::1]:8000/"
    if placeholder := re.search(r"<[^<>]+>", parts.netloc):
        return f"has the placeholder {placeholder[0]}; write your endpoint's own in its place"
    return fault_of_port(parts) or fault_of_host(parts.hostname or "")


def split(address: str) -> SplitResult | None:
    """The parts of an address; None for one that is none, such as one with a single bracket."""
    try:
        parts = urlsplit(address)
        _ = parts.hostname
    except ValueError:
        return None
    return parts


def fault_of_port(parts: SplitResult) -> str | None:
    """What is wrong with an address's port; None if nothing is, or it has none."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    return "has a port that is none; write a number from 1 to 65535" if port == 0 else None


def fault_of_host(host: str) -> str | None:
    """What is wrong with a host name; None if nothing is that can be known without asking for it."""
    if not host:
        return "has no host; write http://host:port/path"
    if ":" in host:  # IPv6, which urlsplit has checked
        return None
    try:
        encoded = host.encode("idna")
    except UnicodeError:
        return "has a host that is none: its parts between dots must have 1 to 63 characters"
    if len(encoded) > _MOST_HOST or not re.fullmatch(rb"[A-Za-z0-9._-]+", encoded):
        return "has a host that is none; write a name of letters, digits, dots and hyphens"
    return None
