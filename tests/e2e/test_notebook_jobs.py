"""The notebooks as SageMaker runs them as jobs: each alone on a machine of its own, with a kernel of another name."""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
import yaml

from fmbench_lib.emulator import Behaviour, Constant, launch
from tests.aws_identity import ACCOUNT, identity
from tests.bucket_stand_in import StandIn, point_to, stand_in

KERNEL = "conda-env-fmbench-py"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/fmbench"
BUCKET = f"sagemaker-fmbench-write-us-east-1-{ACCOUNT}"
NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9]_*.ipynb"))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A kernel as an image registers one; the region is in its environment alone."""
    folder = tmp_path / "jupyter" / "kernels" / KERNEL
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "fmbench", "language": "python", "env": {"AWS_DEFAULT_REGION": "us-east-1"}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    return KERNEL


@pytest.fixture
def bucket(aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    """A job's AWS: the credentials of its execution role, and the account's bucket for runs."""
    with stand_in() as s3, identity() as known:
        point_to(s3, monkeypatch, tmp_path)
        monkeypatch.delenv("AWS_REGION")
        monkeypatch.setenv("AWS_ENDPOINT_URL", known.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.url)
        known.role_path = "/service-role/"
        s3.client().create_bucket(Bucket=BUCKET)
        yield s3


@pytest.mark.thorough
def test_six_jobs_make_one_run(tmp_path: Path, write_config: Callable[..., Path], kernel: str, bucket: StandIn) -> None:
    """Each gets one notebook, the config and its data; of a job that is over only the bucket has anything."""
    with launch(Behaviour(ttft=Constant(0.01), itl=Constant(0.002))) as emulator:
        config = write_config(
            [{"name": "job", "ep_name": emulator.url, "concurrency_levels": [2]}],
            aws={
                "region": "{region}",
                "sagemaker_execution_role": "{role_arn}",
                "bucket": "{write_bucket}",
                "s3_and_or_local_file_system": "s3",
            },
        )
        shown = [job(notebook, config, tmp_path, kernel) for notebook in NOTEBOOKS]
    assert len(shown) == 6
    assert not list(tmp_path.glob("job-*"))
    kept = bucket.objects(BUCKET, "results/test/")
    (run,) = {name.partition("/")[0] for name in kept}
    state = json.loads(kept[f"{run}/run.json"])
    assert state["status"] == "finished"
    assert {name: step["status"] for name, step in state["steps"].items()} == {
        notebook.stem: "done" for notebook in NOTEBOOKS
    }
    records = [name for name in kept if name.startswith(f"{run}/requests/") and name.endswith(".parquet")]
    assert records == [f"{run}/requests/job/all/concurrency-2.parquet"]
    assert f"{run}/metrics/per_inference_request_results.parquet" in kept
    assert b"concurrency 2" in kept[f"{run}/report.md"]
    meant = yaml.safe_load(kept[f"{run}/config.yml"])["aws"]
    assert (meant["region"], meant["sagemaker_execution_role"], meant["bucket"]) == ("us-east-1", ROLE, BUCKET)
    assert "{role_arn}" in json.dumps(shown[0])


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
            shutdown_kernel="immediate",
        )
    shutil.rmtree(folder)
    return nbformat.read(output, as_version=4)
