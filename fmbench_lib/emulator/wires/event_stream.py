"""AWS's event stream format: messages with a prelude, headers, a payload and checksums."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7  # the type of a header's value


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: the lengths and their checksum, headers, payload, and the checksum of all of it."""
    named = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    lengths = struct.pack(">II", 16 + len(named) + len(payload), len(named))
    whole = b"".join((lengths, struct.pack(">I", crc32(lengths)), named, payload))
    return whole + struct.pack(">I", crc32(whole))


def event(kind: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """A message of type `event`."""
    return message({":event-type": kind, ":content-type": content_type, ":message-type": "event"}, payload)


def exception(name: str, payload: bytes) -> bytes:
    """A message of type `exception`, which ends the stream."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, payload)


def _header(name: bytes, value: bytes) -> bytes:
    return b"".join((bytes((len(name),)), name, struct.pack(">BH", _STRING, len(value)), value))
