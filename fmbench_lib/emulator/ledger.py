"""What an emulated endpoint really did, request by request: the truth that a measurement is held against.

Times are nanoseconds of the wall clock. A write's time is read just before the call that hands it to the kernel; a
receipt's time is the kernel's own stamp. Entries go to a file as requests end, so memory does not grow with them.

In the file each entry is its length, `_FIXED`, the texts, and the write times as 64-bit integers, little-endian.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from fmbench_lib.errors import DataError

_FIXED = struct.Struct("<IqIIqqqqIIIIIIIHBHHH")
_FLUSH_BYTES = 65_536
_READ_BYTES = 262_144


@dataclass(slots=True)
class LedgerEntry:
    """One request as the server saw it; a time of 0 has not come."""

    request_id: str
    number: int
    """Counts the requests to generate, from 1, in the order they were complete."""
    connection: int
    """Counts the connections, from 1, in the order they were accepted."""
    on_connection: int
    """Counts the requests of this connection, from 1."""
    received_first_ns: int = 0
    """Receipt of the request's first bytes (of the last ones among those that were read together)."""
    received_ns: int = 0
    """Receipt of its last byte: from here the true TTFT counts."""
    granted_ns: int = 0
    """When it got a slot: its receipt, or when it had to wait the moment that its turn came."""
    end_ns: int = 0
    """After the last write, or when the connection was lost."""
    late_max_ns: int = 0
    """How late the latest of its writes was against the plan."""
    span_max_ns: int = 0
    """How long the longest write call took: no write time is less certain than this."""
    blocked: int = 0
    """Writes that the kernel did not take at once since the client was slow to read; their times are too early."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    """Completion tokens that the answer was planned to have."""
    status: int = 0
    stamp_source: str = "kernel"
    """`kernel`, or `user` where the receipt had to be stamped by the clock of the reader."""
    fault: str = ""
    outcome: str = "unfinished"
    """`complete`, `reset` or `closed` by us on purpose, `hung` (no more came), `client_closed` or `unfinished`."""
    writes: array[int] = field(default_factory=lambda: array("q"))
    """Time of each content event's write; a response that does not stream has one."""

    @property
    def events(self) -> int:
        """Content events that were written."""
        return len(self.writes)

    @property
    def ttft(self) -> float | None:
        """Seconds from receipt to the first content event's write."""
        return (self.writes[0] - self.received_ns) / 1e9 if self.writes else None

    @property
    def latency(self) -> float | None:
        """Seconds from receipt to the last content event's write."""
        return (self.writes[-1] - self.received_ns) / 1e9 if self.writes else None

    @property
    def itl(self) -> list[float]:
        """Seconds between consecutive content events' writes."""
        return [(later - earlier) / 1e9 for earlier, later in zip(self.writes, self.writes[1:], strict=False)]

    def to_json(self) -> str:
        """The entry as one line of JSON, with its write times."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        return json.dumps({**values, "writes": self.writes.tolist()}, separators=(",", ":"))


def encode_entry(entry: LedgerEntry) -> bytes:
    """The entry as the ledger file has it."""
    request_id, fault, outcome = entry.request_id.encode(), entry.fault.encode(), entry.outcome.encode()
    times = entry.writes.tobytes()
    length = _FIXED.size + len(request_id) + len(fault) + len(outcome) + len(times)
    fixed = _FIXED.pack(
        length,
        entry.number,
        entry.connection,
        entry.on_connection,
        entry.received_first_ns,
        entry.received_ns,
        entry.granted_ns,
        entry.end_ns,
        min(max(entry.late_max_ns, 0), 2**32 - 1),
        min(max(entry.span_max_ns, 0), 2**32 - 1),
        entry.blocked,
        entry.prompt_tokens,
        entry.cached_tokens,
        entry.tokens,
        len(entry.writes),
        entry.status,
        entry.stamp_source == "kernel",
        len(request_id),
        len(fault),
        len(outcome),
    )
    return b"".join((fixed, request_id, fault, outcome, times))


def decode_entries(blocks: Iterable[bytes]) -> Iterator[LedgerEntry]:
    """The entries out of a ledger's bytes, cut anywhere; raises DataError when the last one is incomplete."""
    buffer = bytearray()
    for block in blocks:
        buffer += block
        place = 0
        while len(buffer) - place >= 4:
            length = int.from_bytes(buffer[place : place + 4], "little")
            if len(buffer) - place < length:
                break
            yield _decode_entry(bytes(buffer[place : place + length]))
            place += length
        del buffer[:place]
    if buffer:
        raise DataError("the ledger ends in the middle of an entry: it was not written to its end")


def _decode_entry(data: bytes) -> LedgerEntry:
    (_, number, connection, on_connection, *rest) = _FIXED.unpack_from(data)
    first, received, granted, end, late, span, blocked, prompt, cached, tokens, count, status, kernel = rest[:13]
    texts = []
    place = _FIXED.size
    for size in rest[13:]:
        texts.append(data[place : place + size].decode())
        place += size
    writes = array("q")
    writes.frombytes(data[place : place + 8 * count])
    return LedgerEntry(
        request_id=texts[0],
        number=number,
        connection=connection,
        on_connection=on_connection,
        received_first_ns=first,
        received_ns=received,
        granted_ns=granted,
        end_ns=end,
        late_max_ns=late,
        span_max_ns=span,
        blocked=blocked,
        prompt_tokens=prompt,
        cached_tokens=cached,
        tokens=tokens,
        status=status,
        stamp_source="kernel" if kernel else "user",
        fault=texts[1],
        outcome=texts[2],
        writes=writes,
    )


def read_ledger(path: Path) -> Iterator[LedgerEntry]:
    """The entries of a ledger file, one by one."""
    with path.open("rb") as file:
        yield from decode_entries(iter(lambda: file.read(_READ_BYTES), b""))


class LedgerFile:
    """A ledger being written; without a path it is an unnamed temporary file."""

    def __init__(self, path: Path | None = None) -> None:
        if sys.byteorder != "little":
            raise DataError("the ledger's format is for little-endian machines")
        try:
            self._file: IO[bytes] = path.open("w+b") if path else tempfile.TemporaryFile()  # noqa: SIM115  # kept open
        except OSError as error:
            raise DataError(f"the ledger cannot be written: {error}") from None
        self._buffer = bytearray()
        self._written = 0

    def add(self, entry: LedgerEntry) -> None:
        """Note a request that has ended."""
        self._buffer += encode_entry(entry)
        if len(self._buffer) >= _FLUSH_BYTES:
            self._flush()

    def blocks(self, still_open: Iterable[LedgerEntry]) -> Iterator[bytes]:
        """Everything noted up to now, then the requests that are still open, in the file's format."""
        self._flush()
        end = self._written
        tail = b"".join(map(encode_entry, still_open))
        place = 0
        while place < end:
            block = os.pread(self._file.fileno(), min(_READ_BYTES, end - place), place)
            place += len(block)
            yield block
        if tail:
            yield tail

    def close(self) -> None:
        """Write what is left and close the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        self._file.write(self._buffer)
        self._file.flush()
        self._written += len(self._buffer)
        self._buffer.clear()
