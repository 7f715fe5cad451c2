"""What models, servers and configs say is only text wherever it is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.report.report_data import ReportInputs
from tests.report.hostile_texts import HOSTILE, PLACES, attacked, faults_of_markdown


@pytest.fixture(scope="module")
def clean(build: Callable[..., ReportInputs], simulate: Callable[..., object]) -> ReportInputs:
    """A small run of two experiments."""
    return build([simulate(name, n=20, concurrency=load) for name in ("a", "b") for load in (1, 4)])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_text_in_every_place(name: str, clean: ReportInputs) -> None:
    inputs = attacked(clean, HOSTILE[name])
    live = [place for place, is_safe in PLACES.items() if not is_safe(inputs, HOSTILE[name])]
    assert live == []


@pytest.mark.parametrize(
    "page",
    [
        "![p](http://attack.invalid/x.png)",
        "[l](//attack.invalid)",
        "<b>bold</b>",
        "see http://attack.invalid",
        "a \x1b[31m b",
        "a \u202e b",
        "| a | b |\n| --- | --- |\n| c | d | e |",
    ],
)
def test_markup_that_is_not_ours_would_be_seen(page: str) -> None:
    assert faults_of_markdown(page)
    assert faults_of_markdown(f"`{page.splitlines()[0]}`") == [] or "\x1b" in page or "\u202e" in page
