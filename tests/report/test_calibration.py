from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fmbench_lib.report.calibration import calibration_lines, reach_sentence
from fmbench_lib.report.document import render_markdown

WITHIN = {
    "1_ms": {"streams": 256, "events_per_second": 24565.3},
    "5_ms": {"streams": 512, "events_per_second": 48941.0},
}
FOUND = {
    "file": "~/.local/share/fmbench/calibration.json",
    "date": "2026-11-24T02:19:07+00:00",
    "fmbench": "3.0.0",
    "same_machine": True,
    "same_version": True,
    "within": WITHIN,
    "error": None,
}


@pytest.fixture
def lines(build, simulate):
    """The report's lines about a calibration, of a run of one level of concurrency 4, or as many as given."""

    def of(found: dict[str, Any] | None, *levels: Any) -> list[str]:
        inputs = build(levels or [simulate(concurrency=4, n=30)])
        return calibration_lines(replace(inputs, run=replace(inputs.run, calibration=found)))

    return of


def test_a_calibration_is_cited_with_its_date_and_its_reach(lines) -> None:
    assert lines(FOUND) == [
        "This machine measures TTFT up to 256 streams and 24,565 content events per second within 1 ms, up to 512 "
        "streams and 48,941 content events per second within 5 ms (p99 of the error). It was calibrated on 2026-11-24, "
        "FMBench 3.0.0, against an endpoint of known times."
    ]


def test_without_one_nothing_is_claimed(lines) -> None:
    (said,) = lines(None)
    assert said.startswith("No calibration of this client was found")


def test_that_of_another_machine_claims_nothing_of_this_one(lines) -> None:
    (said,) = lines({**FOUND, "same_machine": False})
    assert "was made on another machine: it says nothing about this run" in said
    assert "256" not in said


def test_that_of_another_version_is_said_to_be_so(lines) -> None:
    (said,) = lines({**FOUND, "same_version": False, "fmbench": "2.9.0"})
    assert "FMBench 2.9.0" in said
    assert "another version of FMBench" in said


def test_one_that_could_not_be_read_is_said_to_be_so(lines) -> None:
    (said,) = lines({"file": "~/calibration.json", "error": "KeyError: 'date'"})
    assert "`~/calibration.json` could not be read: KeyError: 'date'." in said


def test_levels_beyond_its_reach_are_named(lines, simulate) -> None:
    small = {**WITHIN, "1_ms": {"streams": 3, "events_per_second": 1e9}}
    said = lines({**FOUND, "within": small}, simulate(concurrency=3, n=30), simulate(concurrency=4, n=30))
    assert said[1:] == ["Beyond the load that it measures within 1 ms: smollm2-llama.cpp, en_1-500, concurrency 4."]


def test_levels_with_more_events_than_it_reaches_are_named(lines, simulate) -> None:
    levels = [simulate(concurrency=2, n=30)]
    for rate, beyond in ((1e9, False), (1.0, True)):
        small = {**WITHIN, "1_ms": {"streams": 1000, "events_per_second": rate}}
        assert (len(lines({**FOUND, "within": small}, *levels)) == 2) is beyond


def test_no_reach_is_no_reason_to_name_levels(lines) -> None:
    nothing = {limit: {"streams": None, "events_per_second": None} for limit in WITHIN}
    (said,) = lines({**FOUND, "within": nothing})
    assert "at no load within 1 ms, at no load within 5 ms" in said


def test_a_reach_may_be_known_of_one_kind_of_load_only() -> None:
    assert "up to 8 streams within 1 ms (p99" in reach_sentence({"1_ms": {"streams": 8, "events_per_second": None}})


def test_it_stands_in_the_report(build, simulate) -> None:
    inputs = build([simulate(n=30)])
    assert "- This machine measures TTFT" in render_markdown(
        replace(inputs, run=replace(inputs.run, calibration=FOUND))
    )
