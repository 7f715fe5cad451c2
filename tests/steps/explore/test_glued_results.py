"""What is read back from a run: its decision, its pictures, and what its notebooks glued."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest

from fmbench_lib import steps
from fmbench_lib.errors import RunStateError
from fmbench_lib.workspace import create_workspace


@pytest.fixture
def run(tmp_path: Path) -> Any:
    return SimpleNamespace(workspace=create_workspace(tmp_path, "a #1? run"))


def write(run: Any, step: str, **glued: Any) -> None:
    """A notebook that has executed `sb.glue(name, value)` for each of these."""
    outputs = [
        nbformat.v4.new_output(
            "display_data",
            data={
                "application/scrapbook.scrap.json+json": {"name": name, "data": value, "encoder": "json", "version": 1}
            },
            metadata={"scrapbook": {"name": name, "data": True, "display": False}},
        )
        for name, value in glued.items()
    ]
    cells = [nbformat.v4.new_markdown_cell("# Results"), nbformat.v4.new_code_cell("glue()", outputs=outputs)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), run.workspace.notebook(step))


def test_scraps_are_what_each_notebook_glued(run: Any) -> None:
    write(run, "3_run_inference", errors=2, requests=70)
    write(run, "0_setup", run_dir="/r", levels=3)
    write(run, "5_cleanup")
    assert steps.scraps(run) == {
        "0_setup": {"run_dir": "/r", "levels": 3},
        "3_run_inference": {"errors": 2, "requests": 70},
        "5_cleanup": {},
    }
    assert list(steps.scraps(run)) == ["0_setup", "3_run_inference", "5_cleanup"]


def test_a_run_without_executed_notebooks_has_no_scraps(run: Any) -> None:
    assert steps.scraps(run) == {}


def test_a_notebook_that_was_cut_off_is_named(run: Any) -> None:
    write(run, "0_setup", levels=3)
    path = run.workspace.notebook("0_setup")
    path.write_text(path.read_text()[:100])
    with pytest.raises(RunStateError, match=r"cannot read the notebook .*0_setup\.ipynb"):
        steps.scraps(run)


def test_the_decision_is_there_after_the_analysis(run: Any) -> None:
    with pytest.raises(RunStateError, match="is not analysed yet"):
        steps.decision(run)
    run.workspace.summary_file.write_text(json.dumps({"decision": {"text": "Take one."}}))
    assert steps.decision(run) == "Take one."


def test_a_figure_is_the_file(run: Any) -> None:
    png = b"\x89PNG\r\n\x1a\n"
    (run.workspace.figures / "a.png").write_bytes(png)
    assert steps.figure(run, "a.png").data == png
