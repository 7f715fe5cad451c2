"""What a worker writes to disk of each exchange: raw bytes and raw stamps, nothing derived.

A spool is a sequence of self-delimiting records, so that the spool of a killed worker can be read up to its last whole
record. Stamps taken at the read are `CLOCK_MONOTONIC`, stamps by the kernel `CLOCK_REALTIME`, both in nanoseconds; the
recorder converts them.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import add
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

# total, position, prompt, target, flags, retried, reads, message bytes, raw bytes, due, cap wait, connect, sent, end
HEADER = struct.Struct("<IIIHBBIHIqqqqq")
READS_IN_A_PART = 2000
"""Of a record that is not written at once: what arrives meanwhile is to be read."""
Reads: TypeAlias = tuple[list[int], list[bytes], list[bytes]]
"""When the reads of an exchange were stamped, here (ns) and by the kernel, and what they brought."""
TIMESPEC_BYTES = 48  # struct scm_timestamping: three timespecs, of which the first is the software stamp
NO_STAMP = bytes(TIMESPEC_BYTES)
_SECOND_NS = 1_000_000_000

SPOOL = ".spool"
"""How the files are called in which workers keep what they receive, after their number."""

REUSED, COMPLETE, CLOSED, MEASURED = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Spooled:
    """One exchange as it was spooled; None where something did not happen. `error` is an error class or None."""

    position: int
    prompt: int
    target: int
    measured: bool
    reused: bool
    complete: bool
    closed: bool
    retried: int
    due_ns: int
    cap_wait_ns: int | None
    connect_ns: int | None
    sent_ns: int | None
    end_ns: int
    error: str | None
    message: str
    read_ends: Sequence[int]  # how many raw bytes had been read after each read
    user_ns: Sequence[int]  # monotonic clock, one per read
    kernel_ns: Sequence[int]  # wall clock, one per read; 0 where the kernel gave none
    raw: bytes


def pack(
    *,
    position: int,
    prompt: int,
    target: int,
    flags: int,
    retried: int,
    due_ns: int,
    cap_wait_ns: int | None,
    connect_ns: int | None,
    sent_ns: int | None,
    end_ns: int,
    error: str | None,
    message: str,
    user_ns: list[int],
    kernel: list[bytes],
    pieces: list[bytes],
) -> bytes:
    """One record's bytes. `kernel` holds ancillary data as the kernel gave it, `NO_STAMP` where it gave none."""
    text = f"{error or ''}\n{message}".encode()[:65000]
    raw = b"".join(pieces)
    reads = len(pieces)
    total = HEADER.size + reads * (8 + 4 + TIMESPEC_BYTES) + len(text) + len(raw)
    header = HEADER.pack(
        total,
        position,
        prompt,
        target,
        flags,
        retried,
        reads,
        len(text),
        len(raw),
        due_ns,
        -1 if cap_wait_ns is None else cap_wait_ns,
        -1 if connect_ns is None else connect_ns,
        -1 if sent_ns is None else sent_ns,
        end_ns,
    )
    times, sizes = struct.pack(f"<{reads}q", *user_ns), struct.pack(f"<{reads}I", *map(len, pieces))
    return b"".join((header, times, sizes, *kernel, text, raw))


def cut_up(record: Callable[[list[int], list[bytes], list[bytes]], bytes], reads: Reads) -> Iterator[bytes]:
    """The bytes of a record of many reads in parts that each take about a millisecond to make.

    `record` packs the exchange with the reads that it is given, as `pack` does. Reads are let go of as they are
    written: to free them all at once would take as long.
    """
    user_ns, kernel, pieces = reads
    count, raw_bytes = len(pieces), sum(map(len, pieces))
    empty = record([], [], [])
    total = len(empty) + count * (8 + 4 + TIMESPEC_BYTES) + raw_bytes
    fields = list(HEADER.unpack_from(empty))
    fields[0], fields[6], fields[8] = total, count, raw_bytes
    yield HEADER.pack(*fields)
    slices = [slice(begin, min(begin + READS_IN_A_PART, count)) for begin in range(0, count, READS_IN_A_PART)]
    for part in slices:
        yield struct.pack(f"<{part.stop - part.start}q", *user_ns[part])
    for part in slices:
        yield struct.pack(f"<{part.stop - part.start}I", *map(len, pieces[part]))
    for part in slices:
        yield b"".join(kernel[part])
        kernel[part] = [b""] * (part.stop - part.start)
    yield empty[HEADER.size :]
    for part in slices:
        yield b"".join(pieces[part])
        pieces[part] = [b""] * (part.stop - part.start)


def read_spool(path: Path, start: int = 0) -> Iterator[tuple[int, Spooled]]:
    """The whole records of a spool file from byte `start` on, each with the offset just after it."""
    with path.open("rb") as file:
        file.seek(start)
        while (record := _read_record(file)) is not None:
            start += record[0]
            yield start, record[1]


class Outcome(NamedTuple):
    """What became of a request: its position, when it was due (monotonic ns), and the class of its error, empty without
    one."""

    position: int
    due_ns: int
    error: str


def outcomes(path: Path) -> Iterator[Outcome]:
    """The outcome of each whole record.

    Only these few bytes of each are read: a spool may have gigabytes, and whoever asks has seconds.
    """
    with path.open("rb", buffering=0) as file:
        fd, start, size = file.fileno(), 0, path.stat().st_size
        while len(head := os.pread(fd, HEADER.size, start)) == HEADER.size:
            total, position, _, _, _, _, reads, text_bytes, _, due_ns, *_ = HEADER.unpack(head)
            if start + total > size:
                return
            text = os.pread(fd, text_bytes, start + HEADER.size + reads * (8 + 4 + TIMESPEC_BYTES))
            yield Outcome(position, due_ns, text.partition(b"\n")[0].decode(errors="replace"))
            start += total


def masked_records(
    path: Path, mask: Callable[[bytes], bytes], mask_raw: Callable[[bytes], bytes] | None = None
) -> Iterator[bytes]:
    """The bytes of each whole record, with `mask`, which keeps lengths, applied to what was received and said, or
    `mask_raw` to what was received."""
    with path.open("rb") as file:
        while len(head := file.read(HEADER.size)) == HEADER.size:
            total, _, _, _, _, _, reads, text_bytes, *_ = HEADER.unpack(head)
            rest = file.read(total - HEADER.size)
            if len(rest) < total - HEADER.size:
                return
            text_at = reads * (8 + 4 + TIMESPEC_BYTES)
            raw_at = text_at + text_bytes
            yield b"".join((head, rest[:text_at], mask(rest[text_at:raw_at]), (mask_raw or mask)(rest[raw_at:])))


def whole_bytes(path: Path) -> int:
    """How many bytes of a spool are whole records."""
    return max(boundaries(path, sys.maxsize), default=0)


def boundaries(path: Path, every: int) -> Iterator[int]:
    """Offsets just after whole records, about `every` bytes apart; the last is after the last whole record."""
    size = path.stat().st_size
    offset = boundary = 0
    with path.open("rb") as file:
        while len(head := file.read(4)) == 4:
            following = offset + int.from_bytes(head, "little")
            if following > size:
                break
            offset = following
            file.seek(offset)
            if offset - boundary >= every:
                boundary = offset
                yield offset
    if offset > boundary:
        yield offset


def _read_record(file: BinaryIO) -> tuple[int, Spooled] | None:
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    total, position, prompt, target, flags, retried, reads, text_bytes, raw_bytes, due, held, connect, sent, end = (
        HEADER.unpack(head)
    )
    sizes_at, kernel_at = reads * 8, reads * 12
    text_at = kernel_at + reads * TIMESPEC_BYTES
    raw_at = text_at + text_bytes
    rest, raw = file.read(raw_at), file.read(raw_bytes)  # two reads: a response of many megabytes is there once
    if len(rest) + len(raw) < total - HEADER.size:
        return None
    timespecs = _numbers("q", rest[kernel_at:text_at])
    error, _, message = rest[text_at:raw_at].decode(errors="replace").partition("\n")
    return total, Spooled(
        position=position,
        prompt=prompt,
        target=target,
        measured=bool(flags & MEASURED),
        reused=bool(flags & REUSED),
        complete=bool(flags & COMPLETE),
        closed=bool(flags & CLOSED),
        retried=retried,
        due_ns=due,
        cap_wait_ns=None if held < 0 else held,
        connect_ns=None if connect < 0 else connect,
        sent_ns=None if sent < 0 else sent,
        end_ns=end,
        error=error or None,
        message=message,
        read_ends=array("q", accumulate(_numbers("I", rest[sizes_at:kernel_at]))),
        user_ns=_numbers("q", rest[:sizes_at]),
        kernel_ns=array("q", map(add, map(_SECOND_NS.__mul__, timespecs[0::6]), timespecs[1::6])),
        raw=raw,
    )


def _numbers(kind: str, data: bytes) -> array[int]:
    """Integers of the machine's `array` type `kind` from their little-endian bytes."""
    numbers = array(kind)
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
