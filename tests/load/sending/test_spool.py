"""What a worker wrote down is what is read, up to the last whole record."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.load.sending import spool
from fmbench_lib.load.sending.spool import Spooled, pack, read_spool

NS = st.integers(min_value=0, max_value=2**62)
READS = st.lists(
    st.tuples(NS, st.none() | st.integers(min_value=1, max_value=2**62), st.binary(max_size=20)), max_size=6
)


def stamp(at: int | None) -> bytes:
    """Ancillary data as the kernel gives it."""
    return spool.NO_STAMP if at is None else struct.pack("<6q", *divmod(at, 10**9), 0, 0, 0, 0)


def packed(reads: list[tuple[int, int | None, bytes]], **more: Any) -> bytes:
    facts: dict[str, Any] = {"position": 1, "prompt": 2, "target": 3, "flags": 0, "retried": 0, "due_ns": 4}
    facts |= {"cap_wait_ns": None, "connect_ns": None, "sent_ns": None, "end_ns": 5, "error": None, "message": ""}
    return pack(
        **{**facts, **more},
        user_ns=[user for user, _, _ in reads],
        kernel=[stamp(at) for _, at, _ in reads],
        pieces=[piece for _, _, piece in reads],
    )


def read_all(data: bytes, path: Path, start: int = 0) -> list[tuple[int, Spooled]]:
    path.write_bytes(data)
    return list(read_spool(path, start))


@given(READS, st.none() | NS, st.none() | NS, st.none() | st.sampled_from(["timeout", "connect"]), st.text())
def test_round_trip(
    tmp_path_factory: Any,
    reads: list[tuple[int, int | None, bytes]],
    connect: int | None,
    sent: int | None,
    error: str | None,
    message: str,
) -> None:
    flags = spool.MEASURED | spool.REUSED
    data = packed(reads, connect_ns=connect, sent_ns=sent, error=error, message=message, flags=flags, retried=1)
    ((end, one),) = read_all(data, tmp_path_factory.getbasetemp() / "round.spool")
    assert end == len(data)
    assert (one.position, one.prompt, one.target, one.retried, one.due_ns, one.end_ns) == (1, 2, 3, 1, 4, 5)
    assert (one.measured, one.reused, one.complete, one.closed) == (True, True, False, False)
    assert (one.connect_ns, one.sent_ns, one.error, one.message) == (connect, sent, error, message)
    assert tuple(one.user_ns) == tuple(user for user, _, _ in reads)
    assert tuple(one.kernel_ns) == tuple(at or 0 for _, at, _ in reads)
    assert one.raw == b"".join(piece for _, _, piece in reads)
    sizes = [end - start for start, end in zip((0, *one.read_ends), one.read_ends, strict=False)]
    assert sizes == [len(piece) for _, _, piece in reads]


def test_a_torn_tail_is_left_out(tmp_path: Path) -> None:
    first, second = packed([(1, None, b"abc")]), packed([(2, 3, b"de")], error="timeout", message="late")
    for length in range(len(first), len(first) + len(second)):
        found = read_all((first + second)[:length], tmp_path / "torn")
        assert [one.raw for _, one in found] == [b"abc"]
    assert len(read_all(first + second, tmp_path / "whole")) == 2


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data = b"".join(packed([(n, None, b"x" * n)]) for n in range(5))
    everything = read_all(data, tmp_path / "s")
    for number, (end, _) in enumerate(everything):
        assert read_all(data, tmp_path / "s", end) == everything[number + 1 :]


def test_more_reads_than_sixteen_bits_count(tmp_path: Path) -> None:
    """A long answer that comes token by token, or byte by byte."""
    reads: list[tuple[int, int | None, bytes]] = [(n, None, b"x") for n in range(70_000)]
    ((_, one),) = read_all(packed(reads), tmp_path / "long")
    assert (len(one.user_ns), len(one.raw)) == (70_000, 70_000)


def test_a_message_of_any_length_fits(tmp_path: Path) -> None:
    ((_, one),) = read_all(packed([], error="tls", message="ü" * 100_000), tmp_path / "m")
    assert one.error == "tls"
    assert one.message.startswith("üüü")


def test_outcomes_are_of_whole_records_alone(tmp_path: Path) -> None:
    reads = [(7, None, b"bytes of an answer"), (9, 11, b"more")]
    data = packed(reads, position=5, due_ns=50) + packed(
        [], position=6, due_ns=60, error="cancelled", message="stopped"
    )
    cut = packed(reads, position=7)[:-1]
    (tmp_path / "a.spool").write_bytes(data + cut)
    assert list(spool.outcomes(tmp_path / "a.spool")) == [(5, 50, ""), (6, 60, "cancelled")]


@pytest.mark.parametrize("count", [1, spool.READS_IN_A_PART, 2 * spool.READS_IN_A_PART + 1])
def test_a_record_in_parts_is_the_record(count: int, tmp_path: Path) -> None:
    reads = [(n, n * 10**9 + 7 if n % 3 else None, b"x" * (n % 5)) for n in range(1, count + 1)]
    whole = packed(reads, error="timeout", message="too late", flags=spool.MEASURED)

    def record(user_ns: list[int], kernel: list[bytes], pieces: list[bytes]) -> bytes:
        return packed([], error="timeout", message="too late", flags=spool.MEASURED) if not pieces else whole

    users, kernels = [user for user, _, _ in reads], [stamp(at) for _, at, _ in reads]
    parts = list(spool.cut_up(record, (users, kernels, [piece for _, _, piece in reads])))
    assert b"".join(parts) == whole
    assert max(map(len, parts)) <= spool.READS_IN_A_PART * spool.TIMESPEC_BYTES
    # a reader that comes between two parts sees the records before it alone
    assert [end for end, _ in read_all(packed([]) + b"".join(parts[:-1]), tmp_path / "torn")] == [len(packed([]))]
