"""What an emulated endpoint really did, request by request: the truth that measurements are compared with.

Times are nanoseconds of the wall clock. A write's time is read just before the call that passes it to the kernel; a
receipt's time is the kernel's own timestamp. Entries are written to a file as requests end, so memory use does not
grow.

In the file each entry consists of its length, `_FIXED`, the texts, and the write times as 64-bit integers,
little-endian.
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

_FIXED = struct.Struct("<IqIIqqqqIIIIIIIHBHHHI")
_FLUSH_BYTES = 65_536
_READ_BYTES = 262_144


@dataclass(slots=True)
class LedgerEntry:
    """One request as the server saw it; a time of 0 means that it has not happened."""

    request_id: str
    number: int
    """Number of the generation request, from 1, in the order in which requests were complete."""
    connection: int
    """Number of the connection, from 1, in the order in which they were accepted."""
    on_connection: int
    """Number of the request on this connection, from 1."""
    received_first_ns: int = 0
    """Receipt of the request's first bytes (of those read together, the last ones)."""
    received_ns: int = 0
    """Receipt of its last byte: the true TTFT counts from here."""
    granted_ns: int = 0
    """When it got a slot: at its receipt, or later if it had to wait."""
    end_ns: int = 0
    """After the last write, or when the connection was lost."""
    late_max_ns: int = 0
    """The largest delay of a write against the plan."""
    span_max_ns: int = 0
    """Duration of the longest write call: an upper bound on the uncertainty of write times."""
    blocked: int = 0
    """Writes that the kernel did not take at once because the client read slowly; their times are too early."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    """Planned completion tokens of the answer."""
    status: int = 0
    stamp_source: str = "kernel"
    """`kernel`, or `user` where the receipt was timestamped by the reading process."""
    fault: str = ""
    outcome: str = "unfinished"
    """`complete`, `reset` or `closed` on purpose, `hung` (nothing more sent), `client_closed` or `unfinished`."""
    images: tuple[str, ...] = ()
    """The SHA-256 of each image in the request, in order."""
    writes: array[int] = field(default_factory=lambda: array("q"))
    """Time of each content event's write; an unstreamed answer has one."""

    @property
    def events(self) -> int:
        """The number of content events written."""
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
    """The entry in the ledger file's format."""
    request_id, fault, outcome = entry.request_id.encode(), entry.fault.encode(), entry.outcome.encode()
    times, images = entry.writes.tobytes(), " ".join(entry.images).encode()
    length = _FIXED.size + len(request_id) + len(fault) + len(outcome) + len(images) + len(times)
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
        len(images),
    )
    return b"".join((fixed, request_id, fault, outcome, images, times))


def decode_entries(blocks: Iterable[bytes]) -> Iterator[LedgerEntry]:
    """The entries in a ledger's bytes, split at arbitrary places; raises DataError when the last entry is
    incomplete."""
    buffer = bytearray()
    for block in blocks:
        buffer += block
        offset = 0
        while len(buffer) - offset >= 4:
            length = int.from_bytes(buffer[offset : offset + 4], "little")
            if len(buffer) - offset < length:
                break
            yield _decode_entry(bytes(buffer[offset : offset + length]))
            offset += length
        del buffer[:offset]
    if buffer:
        raise DataError("the ledger ends in the middle of an entry: it was not written completely")


def _decode_entry(data: bytes) -> LedgerEntry:
    (_, number, connection, on_connection, *rest) = _FIXED.unpack_from(data)
    first, received, granted, end, late, span, blocked, prompt, cached, tokens, count, status, kernel = rest[:13]
    texts = []
    offset = _FIXED.size
    for size in rest[13:]:
        texts.append(data[offset : offset + size].decode())
        offset += size
    writes = array("q")
    writes.frombytes(data[offset : offset + 8 * count])
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
        images=tuple(texts[3].split()),
        writes=writes,
    )


def read_ledger(path: Path) -> Iterator[LedgerEntry]:
    """The entries of a ledger file, one by one. Raises DataError when the last entry is incomplete."""
    with path.open("rb") as file:
        yield from decode_entries(iter(lambda: file.read(_READ_BYTES), b""))


class LedgerFile:
    """A ledger being written; an unnamed temporary file where no path is given."""

    def __init__(self, path: Path | None = None) -> None:
        if sys.byteorder != "little":
            raise DataError("the ledger's format needs a little-endian machine")
        try:
            self._file: IO[bytes] = path.open("w+b") if path else tempfile.TemporaryFile()  # noqa: SIM115  # kept open
        except OSError as error:
            raise DataError(f"cannot write the ledger: {error}") from None
        self._buffer = bytearray()
        self._written = 0

    def add(self, entry: LedgerEntry) -> None:
        """Record a request that has ended."""
        self._buffer += encode_entry(entry)
        if len(self._buffer) >= _FLUSH_BYTES:
            self._flush()

    def blocks(self, still_open: Iterable[LedgerEntry]) -> Iterator[bytes]:
        """Everything recorded so far, then the requests that are still open, in the file's format."""
        self._flush()
        end = self._written
        tail = b"".join(map(encode_entry, still_open))
        offset = 0
        while offset < end:
            block = os.pread(self._file.fileno(), min(_READ_BYTES, end - offset), offset)
            offset += len(block)
            yield block
        if tail:
            yield tail

    def close(self) -> None:
        """Write what is buffered and close the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        self._file.write(self._buffer)
        self._file.flush()
        self._written += len(self._buffer)
        self._buffer.clear()
