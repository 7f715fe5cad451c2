"""The examples of the page on exploring runs are true of the recorded run."""

from __future__ import annotations

import doctest
import shutil
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib.steps.explore.finished_runs import FinishedRun, FinishedRuns
from tests.steps.explore.conftest import RECORDED

PAGE = Path(__file__).parents[3] / "docs" / "explore.md"
SHOWN = {"display.width": 200, "display.max_columns": 20}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded run where `fmbench` in this folder would have put it."""
    shutil.copytree(RECORDED, tmp_path / "results" / "recorded" / "20261129-223952Z")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FMBENCH_RESULTS_DIR", raising=False)


def test_every_example_gives_what_the_page_says(results: None) -> None:
    text = PAGE.read_text(encoding="utf-8")
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    said: list[str] = []
    with pd.option_context(*(part for option in SHOWN.items() for part in option)):
        outcome = doctest.DocTestRunner(optionflags=flags).run(test, out=said.append)
    assert outcome.failed == 0, "".join(said)
    assert outcome.attempted >= 15


def test_every_public_name_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    public = {name for kind in (FinishedRun, FinishedRuns) for name in vars(kind) if not name.startswith("_")}
    assert {name for name in public if f"{name}(" not in text and f"run.{name}" not in text} - {"names"} == set()
