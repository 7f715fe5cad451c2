"""The cells of a measured level."""

from __future__ import annotations

from typing import Any

import pytest

from fmbench_lib.views.level_cells import load_cell, plain_line, reason_of, time_pair


def times(p50: float | None, p95: float | None, *, certain: tuple[bool, bool] = (True, True)) -> dict[str, Any]:
    low = [1.0 if known else None for known in certain]
    return {"TTFT_p50": p50, "TTFT_p50_low": low[0], "TTFT_p95": p95, "TTFT_p95_low": low[1]}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (times(0.1184, 0.2041), "118/204 ms"),
        (times(0.0042, 0.0114), "4.2/11 ms"),
        (times(0.461, 1.08), "0.46/1.08 s"),
        (times(12.34, 123.4), "12.3/123 s"),
        (times(0.9979, 1.19), "1.00/1.19 s"),
        (times(0.062, 1.19), "0.062/1.19 s"),
        (times(0.118, 0.204, certain=(True, False)), "118/≈204 ms"),
        (times(0.118, 0.204, certain=(False, False)), "≈118/≈204 ms"),
        (times(0.118, 0.204, certain=(False, True)), "≈118/204 ms"),
        (times(0.118, None), "118/– ms"),
        (times(None, None), "–"),
    ],
)
def test_percentiles_stand_in_one_unit_and_say_where_they_are_uncertain(row: dict[str, Any], text: str) -> None:
    assert time_pair(row, "TTFT") == text


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"concurrency": 4, "load": "concurrency-4"}, "c 4"),
        ({"request_rate": 0.5, "load": "rate-0.5"}, "0.5/s"),
        ({"load": "concurrency-16"}, "c 16"),
        ({"load": "rate-2.5-repeat-2"}, "2.5/s #2"),
        ({"concurrency": 4, "load": "concurrency-4", "attempt": 2}, "c 4 try 2"),
        ({"concurrency": 4, "repeats": 3}, "c 4 3×"),
        ({"load": "trace"}, "trace"),
    ],
)
def test_a_load_takes_few_characters(row: dict[str, Any], text: str) -> None:
    assert load_cell(row) == text


def test_what_is_not_known_is_a_dash_and_never_zero() -> None:
    line = plain_line({"experiment_name": "one", "payload_file": "payload_a.jsonl", "load": "trace", "requests": 3})
    assert line == (
        "one · a · load trace: 3 requests, – errors, – req/s, – tok/s, TTFT p50/p95 –, latency p50/p95 –, – USD/10k, –"
    )


def test_the_main_reason_is_the_first() -> None:
    assert reason_of({"verdict_reasons": "first: do this; second"}) == "first: do this"
    assert reason_of({"verdict_reasons": None}) == ""
