from __future__ import annotations

import json
from array import array
from pathlib import Path

import pytest

from fmbench_lib.emulator.ledger import LedgerEntry, LedgerFile, decode_entries, encode_entry, read_ledger
from fmbench_lib.errors import DataError

NOW = 1_795_387_721_157_976_222


def entry(number: int, events: int = 3) -> LedgerEntry:
    return LedgerEntry(
        request_id=f"größe-{number}",
        number=number,
        connection=4,
        on_connection=2,
        received_first_ns=NOW - 5,
        received_ns=NOW,
        granted_ns=NOW + 1,
        end_ns=NOW + 10**9,
        late_max_ns=17_000,
        span_max_ns=2**40,
        blocked=1,
        prompt_tokens=1000,
        cached_tokens=10,
        tokens=events,
        status=200,
        stamp_source="user",
        fault="reset:bytes=300",
        outcome="reset",
        images=("a" * 64,) * (number % 3),
        writes=array("q", [NOW + 50_000_000 + 10_000_000 * index for index in range(events)]),
    )


def test_entries_round_trip_however_the_bytes_are_split() -> None:
    created = [entry(number, events=number % 4) for number in range(20)]
    data = b"".join(map(encode_entry, created))
    for size in (1, 97, len(data)):
        blocks = [data[index : index + size] for index in range(0, len(data), size)]
        read = list(decode_entries(blocks))
        # A span is kept up to four seconds.
        assert [item.span_max_ns for item in read] == [2**32 - 1] * 20
        for item in read:
            item.span_max_ns = 2**40
        assert read == created


def test_derived_figures_follow_from_the_times() -> None:
    created = entry(1)
    assert created.events == 3
    assert created.ttft == pytest.approx(0.05)
    assert created.latency == pytest.approx(0.07)
    assert created.itl == pytest.approx([0.01, 0.01])
    assert entry(1, events=0).ttft is None


def test_a_ledger_can_be_read_while_it_grows_and_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "ledger.bin"
    ledger = LedgerFile(path)
    for number in range(1000):
        ledger.add(entry(number))
    numbers = [item.number for item in decode_entries(ledger.blocks([entry(5000)]))]
    assert numbers == [*range(1000), 5000]
    ledger.add(entry(1000))
    ledger.close()
    assert [item.number for item in read_ledger(path)] == list(range(1001))


def test_a_truncated_ledger_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger.bin"
    path.write_bytes(encode_entry(entry(1)) + encode_entry(entry(2))[:-1])
    entries = read_ledger(path)
    assert next(entries).number == 1
    with pytest.raises(DataError, match="middle of an entry"):
        next(entries)


def test_a_json_line_has_every_field() -> None:
    line = json.loads(entry(7).to_json())
    assert line["number"] == 7
    assert line["writes"][0] == NOW + 50_000_000
    assert line["outcome"] == "reset"
