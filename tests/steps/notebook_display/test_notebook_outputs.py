"""What the analysis notebook shows of a run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib import steps
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.errors import RunStateError
from fmbench_lib.workspace import create_workspace
from tests.cli.level_facts import figures

REPORT = """# Results

## Failed experiments

One failed.

![a picture](figures/a.png)

### In detail

```
## Cost
```

## Cost

It was cheap.
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    workspace = create_workspace(tmp_path / "results", "a #1? run")
    return SimpleNamespace(workspace=workspace, redactor=Redactor())


def test_before_the_analysis_there_is_nothing_to_show(run: Any) -> None:
    for show in (steps.decision_card, steps.level_results, steps.report_parts):
        with pytest.raises(RunStateError, match="run the notebook 4_model_metric_analysis first"):
            show(run)


def test_the_decision_is_a_card_with_links_that_a_frontend_can_open(run: Any) -> None:
    run.workspace.summary_file.write_text('{"decision": {"text": "Take one."}, "levels": []}')
    run.workspace.report_file.write_text(REPORT)
    card = steps.decision_card(run)
    assert "Take one." in card._repr_html_()
    assert f'href="../results/a%20%231%3F%20run/{run.workspace.run_id}/report.md"' in card._repr_html_().replace(
        "%25", "%"
    )
    assert "report.html" not in card._repr_html_(), "there is no page"
    assert repr(card).splitlines()[0] == "Take one."
    run.workspace.page_file.write_text("<html>")
    assert "report.html" in steps.decision_card(run)._repr_html_()


def test_levels_are_shown_once_each_the_last_attempt(run: Any) -> None:
    levels = [figures(4, requests=7), figures(4, requests=9, attempt=2), figures(2)]
    run.workspace.note(run.workspace.summary_file, {"decision": {"text": ""}, "levels": levels})
    shown = steps.level_results(run)
    assert [line.split(":")[0] for line in repr(shown).splitlines()] == [
        "one · en_1-500 · concurrency 2",
        "one · en_1-500 · concurrency 4 (attempt 2)",
    ]
    assert "7 requests" not in repr(shown)


def test_parts_of_the_report_are_shown_without_pictures(run: Any) -> None:
    run.workspace.report_file.write_text(REPORT)
    shown = steps.report_parts(run, "Failed experiments", "Nothing of that name").data
    assert "One failed." in shown
    assert "In detail" in shown
    assert "## Cost\n```" in shown, "a heading in code is none"
    assert "![" not in shown
    assert "cheap" not in shown
