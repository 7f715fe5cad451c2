"""The notebook that explores runs: executed on a recorded run, and kept without outputs like the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.shown_outputs import bundles_of, unshowable
from tests.steps.explore.conftest import RECORDED

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
MOST_CELLS = 20


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook as Run All leaves it, with the folder of the recorded run in its parameters."""
    folder = tmp_path_factory.mktemp("explore")
    run = folder / "results" / "recorded" / "20261129-223952Z"
    shutil.copytree(RECORDED, run)
    (run / "summary.json").write_text(
        json.dumps({"run": {"name": "mine"}, "decision": {"text": "Take one."}, "levels": []})
    )
    notebook = nbformat.read(NOTEBOOKS / "explore.ipynb", as_version=4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source = parameters.source.replace('results = ""', f"results = {str(folder / 'results')!r}")
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, kernel_name="python3", resources=resources, shutdown_kernel="immediate")
    done: nbformat.NotebookNode = client.execute()
    return done


def output_of(notebook: nbformat.NotebookNode, start: str) -> dict[str, Any]:
    """What the cell with this text shows, by MIME type."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and start in cell.source)
    return dict(cell.outputs[-1].data)


def text_of(notebook: nbformat.NotebookNode, start: str) -> str:
    """What the cell with this text prints."""
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code" and start in cell.source)
    return str(cell.outputs[-1].text)


def test_every_cell_shows_what_it_says(executed: nbformat.NotebookNode) -> None:
    assert text_of(executed, "run.decision") == "Take one.\n"
    assert "two faulty" in output_of(executed, "levels = ")["text/html"]
    assert "image/png" in output_of(executed, "run.plot(")
    assert "image/png" in output_of(executed, "plot_distribution")
    assert "one two faulty by token" in output_of(executed, "run.compare")["text/plain"], "empty columns are left out"
    assert "latency" not in output_of(executed, "describe")["text/plain"].split("\n")[0], "all columns are of it"
    assert "prompt tokens from" in output_of(executed, "run.sql")["text/plain"]
    assert "20261129-223952Z" in output_of(executed, "runs.table()")["text/plain"]
    assert output_of(executed, "run.scraps()")["text/plain"] == "{}"


def test_every_frontend_can_show_what_the_cells_show(executed: nbformat.NotebookNode) -> None:
    assert len(bundles_of(executed)) >= 5
    assert unshowable(executed) == []


def test_what_a_frontend_cannot_show_is_found() -> None:
    shown = [
        {"text/html": "<b>1</b>", "text/plain": "1"},
        {"text/html": "<b>1</b>"},
        {"application/javascript": "1", "text/plain": "1"},
        {"text/html": "<SCRIPT>1</SCRIPT>", "text/plain": "1"},
        {"application/scrapbook.scrap.json+json": {}},
    ]
    outputs = [nbformat.v4.new_output("display_data", data) for data in shown]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=outputs)])
    assert unshowable(notebook) == [
        "only ['text/html']",
        "only ['application/javascript', 'text/plain']",
        "a script in ['text/html', 'text/plain']",
    ]


def test_no_cell_warns(executed: nbformat.NotebookNode) -> None:
    outputs = [each for cell in executed.cells for each in cell.get("outputs", [])]
    assert [each.text for each in outputs if each.get("name") == "stderr"] == []


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs_and_defines_nothing(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code if cell.outputs or cell.execution_count] == []
    assert [cell.source for cell in code if "def " in cell.source or "class " in cell.source] == []
    assert len(notebook.cells) <= MOST_CELLS


def test_a_wrong_folder_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell(f"from fmbench_lib import open_run\nopen_run(results={str(tmp_path)!r})")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    client = NotebookClient(notebook, kernel_name="python3", allow_errors=True, shutdown_kernel="immediate")
    [output] = client.execute().cells[0].outputs
    [line] = output.traceback
    assert line.startswith(f"RunStateError: there is no run in {tmp_path}: name the run's directory")
