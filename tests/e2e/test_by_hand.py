"""The notebooks opened one after the other, as in Jupyter."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.emulator import Behaviour, Constant, launch
from tests.e2e.running import levels
from tests.shown_outputs import bundles_of, unshowable


@pytest.mark.thorough
def test_run_all_in_each_notebook_makes_one_run(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    """What Jupyter's Run All does, in the folder of the notebooks, with nothing given but the config."""
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005))) as emulator:
        load = {"requests": 8, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never", "keep_raw": True}
        config = write_config([{"name": "by-hand", "ep_name": emulator.url}], load=load)
        source = Path(__file__).parents[2] / "notebooks"
        names = sorted(path.stem for path in source.glob("[0-9]_*.ipynb"))
        done = {name: run_all(source / f"{name}.ipynb", config, tmp_path) for name in names}
        assert [wrong for notebook in done.values() for wrong in unshowable(notebook)] == []
        assert all(bundles_of(notebook) for notebook in done.values())
        (run,) = (tmp_path / "results" / "test").iterdir()
        state = json.loads((run / "run.json").read_text())
        assert {name: state["steps"][name]["status"] for name in names} == dict.fromkeys(names, "done")
        before, asked = levels(run), len(emulator.ledger())
        assert set(before) == {"concurrency-1", "concurrency-2"}
        shown = run_all(source / "3_run_inference.ipynb", config, tmp_path)
        assert levels(run) == before
        assert len(emulator.ledger()) == asked
        assert "concurrency-2" in json.dumps(shown)
    table = run / "metrics" / "per_inference_request_results.csv"
    requests = table.read_text()
    table.unlink()
    assert main(["report", str(run), "--from-raw"]) == 0
    assert levels(run) != before
    assert table.read_text() == requests


def run_all(path: Path, config: Path, folder: Path) -> nbformat.NotebookNode:
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('"quickstart"', repr(str(config)))
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        shutdown_kernel="immediate",
    )
    done: nbformat.NotebookNode = client.execute()
    return done
