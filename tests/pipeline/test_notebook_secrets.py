"""Secrets are taken out of executed notebooks, wherever in them they are, and nothing else is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from fmbench_lib.pipeline.notebook_secrets import remove_secrets

SECRET = 'pa"ss\nword-1'


def without(text: str) -> str:
    """As a redactor knows a secret: as it is, and as JSON has it."""
    return text.replace(SECRET, "***").replace(json.dumps(SECRET)[1:-1], "***")


def written(path: Path, *outputs: Any, source: str = "run()") -> Path:
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"papermill": {"parameters": {"run_dir": "/r"}}})
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize(
    "output",
    [
        nbformat.v4.new_output("stream", text=f"before\nkey {SECRET}\nafter\n"),
        nbformat.v4.new_output("error", ename="E", evalue=f"{SECRET}!", traceback=["a", f"  key={SECRET}"]),
        nbformat.v4.new_output("display_data", data={"text/html": f"<b>{SECRET}</b>", "text/plain": [SECRET]}),
        nbformat.v4.new_output("display_data", data={"application/json": {"a": [{"b": SECRET}]}}),
        nbformat.v4.new_output("display_data", data={"text/plain": json.dumps({"a": SECRET})}),
        nbformat.v4.new_output("display_data", data={}, metadata={"scrapbook": {"name": SECRET}}),
    ],
    ids=["stream", "error", "lines", "json", "json in text", "metadata"],
)
def test_a_secret_is_removed_from_every_kind_of_output(tmp_path: Path, output: Any) -> None:
    path = written(tmp_path / "a.ipynb", output)
    remove_secrets(path, without)
    text = path.read_text()
    assert "word-1" not in text
    assert "***" in text
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.papermill.parameters.run_dir == "/r"
    assert notebook.cells[0].source == "run()"


def test_a_secret_that_spans_lines_of_the_file_is_found(tmp_path: Path) -> None:
    """nbformat writes a text of two lines as a list of two strings, none of which has the whole secret."""
    path = written(tmp_path / "a.ipynb", nbformat.v4.new_output("stream", text=SECRET))
    assert json.dumps(SECRET)[1:-1] not in path.read_text()
    remove_secrets(path, without)
    assert nbformat.read(path, as_version=4).cells[0].outputs[0].text == "***"


def test_a_notebook_without_secrets_is_not_rewritten(tmp_path: Path) -> None:
    path = written(tmp_path / "a.ipynb", nbformat.v4.new_output("stream", text="fine\n"))
    content = json.dumps(json.loads(path.read_text()))  # in a form that nbformat would not write
    path.write_text(content)
    before = path.stat().st_ino
    remove_secrets(path, without)
    assert (path.read_text(), path.stat().st_ino) == (content, before)


@pytest.mark.parametrize("left", [0.3, 0.9])
def test_a_notebook_that_was_cut_off_is_cleaned_as_text(tmp_path: Path, left: float) -> None:
    path = written(tmp_path / "a.ipynb", nbformat.v4.new_output("stream", text=json.dumps(SECRET)), source=SECRET * 3)
    text = path.read_text().replace("run()", "")
    path.write_text(text[: int(len(text) * left)] + json.dumps(SECRET)[1:-1] + ' and "more')
    remove_secrets(path, without)
    assert json.dumps(SECRET)[1:-1] not in path.read_text()
    assert path.read_text().endswith('*** and "more')


def test_a_notebook_that_was_never_written_is_left_out(tmp_path: Path) -> None:
    remove_secrets(tmp_path / "a.ipynb", without)
    assert not (tmp_path / "a.ipynb").exists()
