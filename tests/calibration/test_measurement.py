"""The client's calibration, with levels that are too small to say anything but that everything is there."""

from __future__ import annotations

import json
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fmbench_lib import __version__
from fmbench_lib.calibration.measurement import (
    Answers,
    Load,
    Sent,
    calibrate,
    errors_of,
    ledger_of,
    row_of,
    send,
    within,
)
from fmbench_lib.calibration.printed_table import TITLE, row_line
from fmbench_lib.emulator import LedgerEntry, launch

TINY = Answers(ttft=0.02, itl=0.002, tokens=6)
SHIFT = 0.5


@pytest.fixture(scope="module")
def level(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sent, pd.DataFrame, dict[str, LedgerEntry]]:
    """One level of four streams, its records, and what the emulator says of it."""
    folder = tmp_path_factory.mktemp("level")
    with launch(TINY.behaviour) as server:
        sent = send(Load(streams=4), server, TINY, 0.15, folder)
        return sent, sent.records(folder), ledger_of(server)


def shifted(entry: LedgerEntry, *, by: float = 0.0, stretch: float = 0.0) -> LedgerEntry:
    """The same with its first write moved by `by`, and each gap longer by `stretch`, s."""
    moved = [round(time + 1e9 * (by + stretch * place)) for place, time in enumerate(entry.writes)]
    return replace(entry, writes=array("q", moved))


def test_every_measured_request_has_its_counterpart_in_the_ledger(level: Any) -> None:
    sent, records, ledger = level
    measured = records[records["phase"] == "measured"]
    assert len(measured) == 4 * round(0.15 / TINY.latency)
    assert set(records["request_id"]) == set(ledger)
    errors = errors_of(measured, ledger)
    assert (errors.joined, errors.unmatched, errors.uneven) == (len(measured), 0, 0)
    assert errors.itl.size == len(measured) * (TINY.tokens - 1)
    row = row_of(Load(streams=4), TINY, records, sent, ledger)
    assert (row["requests"], row["joined"], row["failed"]) == (len(measured), len(measured), 0)
    assert row["events_per_second"] > 0
    assert row["client_cpu_per_event"] > 0


@pytest.mark.parametrize("clock", ["due", "sent"])
def test_a_ledger_that_is_shifted_shows_as_an_error_of_just_that(level: Any, clock: str) -> None:
    _, records, ledger = level
    before = errors_of(records, ledger, clock)
    later = errors_of(records, {name: shifted(entry, by=SHIFT) for name, entry in ledger.items()}, clock)
    assert later.ttft == pytest.approx(before.ttft - SHIFT, abs=1e-6)
    assert later.itl == pytest.approx(before.itl, abs=1e-6)
    slower = errors_of(records, {name: shifted(entry, stretch=SHIFT) for name, entry in ledger.items()}, clock)
    assert slower.ttft == pytest.approx(before.ttft, abs=1e-6)
    assert slower.itl == pytest.approx(before.itl - SHIFT, abs=1e-6)


def test_lateness_in_sending_is_an_error_from_due_only_and_connecting_is_none(level: Any) -> None:
    _, records, ledger = level
    late = records.assign(due=records["due"] - 0.3, connect_s=0.1)
    before = errors_of(records.assign(connect_s=0.0), ledger)
    assert errors_of(late, ledger).ttft == pytest.approx(before.ttft + 0.2, abs=1e-6)
    assert errors_of(late, ledger, "sent").ttft == pytest.approx(errors_of(records, ledger, "sent").ttft, abs=1e-9)


def test_requests_that_failed_or_are_not_in_the_ledger_are_within_nothing(level: Any) -> None:
    sent, records, ledger = level
    lost = records["request_id"][records["phase"] == "measured"].iloc[0]
    without = {name: entry for name, entry in ledger.items() if name != lost}
    failed = records.assign(error=records["error"].mask(records["request_id"] == lost, "truncated"))
    rows = [row_of(Load(streams=4), TINY, *given) for given in ((records, sent, without), (failed, sent, ledger))]
    assert [row["requests"] - row["joined"] for row in rows] == [1, 1]
    assert [row["failed"] for row in rows] == [0, 1]
    assert [within([row], 1e9)["streams"] for row in rows] == [None, None]
    assert "1 requests without a counterpart (1 failed)" in row_line(rows[1])


def test_a_calibration_is_a_document_of_all_its_levels() -> None:
    told: list[dict[str, Any]] = []
    document = calibrate([2, 4], [200.0], 0.1, TINY, told.append)
    assert json.loads(json.dumps(document, allow_nan=False))["levels"] == document["levels"] == told
    assert document["fmbench"] == __version__
    assert document["machine"]["cores"] >= 1
    assert document["settings"] == {"ttft": 0.02, "itl": 0.002, "tokens": 6, "seconds": 0.1}
    assert [(row["streams"], row["event_rate"]) for row in told] == [(2, None), (4, None), (None, 200.0)]
    assert all(row["joined"] == row["requests"] > 0 for row in told)
    assert set(document["within"]) == {"1_ms", "5_ms"}
    assert all(len(row_line(row)) == len(TITLE) for row in told)


def test_streams_and_event_rates_are_judged_apart() -> None:
    def row(streams: int | None, rate: float, p99: float) -> dict[str, Any]:
        return {"streams": streams, "events_per_second": rate, "TTFT_error_p99": p99, "joined": 9, "requests": 9}

    rows = [row(8, 800.0, 0.0002), row(64, 6000.0, 0.0004), row(None, 5000.0, 0.002), row(None, 20000.0, 0.004)]
    assert within(rows, 0.001) == {"streams": 64, "events_per_second": 800.0}
    assert within(rows, 0.005) == {"streams": 64, "events_per_second": 20000.0}


def test_a_level_whose_requests_all_fail_is_a_row_without_errors_of_measuring(tmp_path: Path) -> None:
    with launch(TINY.behaviour, arguments=["--fault=server_error"]) as server:
        sent = send(Load(streams=2), server, TINY, 0.05, tmp_path)
        row = row_of(Load(streams=2), TINY, sent.records(tmp_path), sent, ledger_of(server))
    assert (row["failed"], row["joined"]) == (row["requests"], 0)
    assert row["TTFT_error_p99"] is row["ITL_error_mean"] is row["client_cpu_per_event"] is None
    assert row_line(row).count("–") == 6
