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
            "missed": None,
            "low": 3.9,
            "high": 5.2,
            "ended": "decided",
            "levels": [row["load"]],
            "met": [True],
        }
        | changes
    )


def test_without_a_search_nothing_is_said(quickstart: ReportInputs) -> None:
    assert section(quickstart) == []
    assert "Greatest load" not in render_markdown(quickstart)


def test_the_load_its_figures_and_the_range(quickstart: ReportInputs) -> None:
    one = found(quickstart, missed=99.0)
    said = section(replace(quickstart, searches=[one]))[-1]
    assert f"**{one.found:g} requests in flight** is the greatest load that met them (latency_p95 " in said
    assert "the least load above it that did not is 99." in said
    assert "90% range of the greatest load that meets them: 3.9" in said


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
    said = section(replace(quickstart, searches=[found(quickstart, ended=ended)]))[-1]
    assert words in said


def test_nothing_met(quickstart: ReportInputs) -> None:
    one = found(quickstart, found=None, missed=0.25, find="max_request_rate", low=None, high=None, ended="nothing")
    said = section(replace(quickstart, searches=[one]))[-1]
    assert "**no measured load met the objectives**; the least load tried was 0.25 requests/s" in said


def test_programs_get_it_too(quickstart: ReportInputs) -> None:
    document = summary_document(replace(quickstart, searches=[found(quickstart)]))
    (one,) = json.loads(json.dumps(document, allow_nan=False))["searches"]
    assert one["subject_to"] == {"latency_p95": 2.0, "error_rate": 0.0}
