"""What the report says of a search: the load that was found, its neighbour that missed, and what bounded it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.document import render_markdown
from fmbench_lib.report.report_data import ReportInputs, Searched
from fmbench_lib.report.sections.greatest_load import section
from fmbench_lib.report.summary import summary_document


def found(inputs: ReportInputs, **changes: Any) -> Searched:
    """A search over the quickstart's own levels that found the load of the first of them."""
    row = next(row for row in rows_of(inputs.summary) if row["concurrency"])
    return Searched(
        **{
            "experiment_name": row["experiment_name"],
            "payload_file": row["payload_file"],
            "find": "max_concurrency",
            "subject_to": {"latency_p95": 2.0, "error_rate": 0.0},
            "found": row["concurrency"],
            "confirmed": False,
            "missed": None,
            "low": 3.9,
            "high": 5.2,
            "ended": "decided",
            "levels": [row["load"]],
            "loads": [row["concurrency"]],
            "met": [True],
        }
        | changes
    )


def test_without_a_search_nothing_is_said(quickstart: ReportInputs) -> None:
    assert section(quickstart) == []
    assert "Greatest load" not in render_markdown(quickstart)


def said(inputs: ReportInputs, **changes: Any) -> str:
    return section(replace(inputs, searches=[found(inputs, **changes)]))[-1]


def test_the_load_its_figures_and_the_range(quickstart: ReportInputs) -> None:
    text = said(quickstart, missed=99.0)
    load = found(quickstart).found
    assert f"**{load:g} requests in flight** is the greatest load that met them (latency_p95 " in text
    assert "), which no other level has confirmed; the least load above it that missed them is 99." in text
    assert "The greatest load that meets them lies between 3.90 and 5.20 with 90% probability." in text


def test_a_confirmed_answer_shows_the_figures_of_both_levels(quickstart: ReportInputs) -> None:
    first, other = rows_of(quickstart.summary)[:2]
    load = first["concurrency"]
    text = said(
        quickstart,
        confirmed=True,
        levels=[first["load"], other["load"]],
        loads=[load, load],
        met=[True, True],
    )
    assert "is the greatest load that met them and was confirmed by another level (latency_p95 " in text
    assert "; again: latency_p95 " in text


def test_levels_that_contradict_the_answer_are_named(quickstart: ReportInputs) -> None:
    text = said(
        quickstart,
        find="max_request_rate",
        found=8.0,
        missed=12.0,
        levels=["rate-8", "rate-6", "rate-10", "rate-12", "rate-99"],
        loads=[8, 6, 10, 12, 99],
        met=[True, False, True, False, None],
    )
    assert "the least load above it that missed them is 12." in text
    assert "At or below it missed: 6; all levels together do not bear that out." in text
    assert "Above it met: 10, which is not shown to be safe or not confirmed." in text
    assert "99" not in text


def test_a_load_that_met_but_is_not_shown_to_is_not_called_found(quickstart: ReportInputs) -> None:
    text = said(quickstart, found=None)
    assert "**no load is shown to meet the objectives**: " in text
    assert "is the greatest load" not in text


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ("most", "bounded by `find_most`"),
        ("client", "bounded by the client"),
        ("levels", "used up its levels"),
        (None, "has not ended"),
    ],
)
def test_what_bounded_it(quickstart: ReportInputs, ended: str | None, words: str) -> None:
    assert words in said(quickstart, ended=ended)


def test_nothing_met(quickstart: ReportInputs) -> None:
    changes = {"levels": ["rate-0.25"], "loads": [0.25], "met": [False], "low": None, "high": None}
    text = said(quickstart, found=None, missed=0.25, find="max_request_rate", ended="nothing", **changes)
    assert "**no measured load met the objectives**; the least load tried was 0.25 requests/s" in text


def test_programs_get_it_too(quickstart: ReportInputs) -> None:
    document = summary_document(replace(quickstart, searches=[found(quickstart)]))
    (one,) = json.loads(json.dumps(document, allow_nan=False))["searches"]
    assert one["subject_to"] == {"latency_p95": 2.0, "error_rate": 0.0}
