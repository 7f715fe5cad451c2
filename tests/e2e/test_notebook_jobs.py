"""The notebooks as SageMaker runs them as jobs: each copied into a folder of its own, with a kernel of another name."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from fmbench_lib.emulator import Behaviour, Constant, launch
from tests.aws_identity import ACCOUNT, identity
from tests.e2e.running import levels

KERNEL = "conda-env-fmbench-py"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/fmbench"
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel as an image registers one. It alone knows where runs are kept."""
    folder = tmp_path / "jupyter" / "kernels" / KERNEL
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", "{connection_file}"]
    said = {"FMBENCH_RESULTS_DIR": str(tmp_path / "runs")}
    spec = {"argv": argv, "display_name": "fmbench", "language": "python", "env": said}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return KERNEL


@pytest.fixture
def under_a_role(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A job's environment: a region, and the credentials of its execution role."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    with identity() as known:
        known.role_path = "/service-role/"
        known.buckets.add(f"sagemaker-fmbench-write-us-west-2-{ACCOUNT}")
        monkeypatch.setenv("AWS_ENDPOINT_URL", known.url)
        yield known


def test_six_jobs_make_one_run(
    tmp_path: Path, write_config: Callable[..., Path], kernel: str, under_a_role: Any
) -> None:
    """Each gets one notebook, the config and its data; the folder of a job that is over is gone."""
    with launch(Behaviour(ttft=Constant(0.01), itl=Constant(0.002))) as emulator:
        config = write_config(
            [{"name": "job", "ep_name": emulator.url, "concurrency_levels": [2]}],
            aws={"region": "{region}", "sagemaker_execution_role": "{role_arn}", "bucket": "{write_bucket}"},
        )
        shown = [job(notebook, config, tmp_path, kernel) for notebook in NOTEBOOKS]
    assert len(shown) == 6
    (run,) = (tmp_path / "runs" / "test").iterdir()
    state = json.loads((run / "run.json").read_text())
    assert state["status"] == "finished"
    assert {name: step["status"] for name, step in state["steps"].items()} == {
        notebook.stem: "done" for notebook in NOTEBOOKS
    }
    assert set(levels(run)) == {"concurrency-2"}
    assert (run / "report.md").exists()
    meant = yaml.safe_load((run / "config.yml").read_text())["aws"]
    assert meant["region"] == "us-west-2"
    assert meant["sagemaker_execution_role"] == ROLE
    assert meant["bucket"] == f"sagemaker-fmbench-write-us-west-2-{ACCOUNT}"
    assert "{role_arn}" in json.dumps(shown[0])
    assert not list(tmp_path.glob("job-*"))


def job(notebook: Path, config: Path, tmp_path: Path, kernel: str) -> nbformat.NotebookNode:
    """Run one notebook as a job does: papermill fills in the parameters, the output is written elsewhere."""
    import papermill

    folder = tmp_path / f"job-{notebook.stem}"
    folder.mkdir()
    for file in (notebook, config, config.with_name("source.jsonl")):
        shutil.copy(file, folder)
    output = tmp_path / "outputs" / notebook.name
    output.parent.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        papermill.execute_notebook(
            folder / notebook.name,
            output,
            parameters={"config_file": config.name},
            kernel_name=kernel,
            cwd=folder,
            progress_bar=False,
        )
    shutil.rmtree(folder)
    return nbformat.read(output, as_version=4)
