"""Whole runs on SageMaker: moto's server for S3, STS and the control plane, an emulated endpoint for the runtime."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pandas as pd
import pytest

from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.emulator.wires.aws_signature import ACCESS_KEY, SECRET_KEY
from tests.deploy.aws_stand_in import ACCOUNT, Refusal, StandIn, stand_in
from tests.e2e.conftest import Finished
from tests.e2e.running import Running, free_port, wait_until

HF_TOKEN = "hf_DistinctiveFakeTokenOfTheTests"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.29.0-lmi11.0.0-cu124"
ON_SAGEMAKER: dict[str, Any] = {
    "platform": "sagemaker",
    "deploy": True,
    "model_id": "org/model",
    "instance_type": "ml.g4dn.xlarge",
    "image_uri": IMAGE,
    "sagemaker_execution_role": ROLE,
    "region": "us-east-1",
    "bucket": "runs-bucket",
    "serving.properties": "engine=MPI\noption.rolling_batch=vllm\n",
    "inference_spec": {"parameters": {"max_new_tokens": 5, "max_tokens": None}},
}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """moto's server in a process of its own; its address."""
    port = free_port()
    log = subprocess.DEVNULL
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
    )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(f"{url}/moto-api/", timeout=5):
            return True
    except (URLError, OSError):
        return False


@pytest.fixture
def credentials(aws_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("HF_TOKEN", HF_TOKEN)


@pytest.fixture
def cloud(moto: str, credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """AWS as moto has it, empty, with somebody else's things in it, and an emulated runtime."""
    from urllib.request import Request, urlopen

    with urlopen(Request(f"{moto}/moto-api/reset", method="POST"), timeout=10):
        pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    client("s3").create_bucket(Bucket="runs-bucket")
    client("s3").put_object(Bucket="runs-bucket", Key="fmbench/somebody-elses", Body=b"x")
    sagemaker = client("sagemaker")
    sagemaker.create_model(ModelName="theirs", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    variant = {"VariantName": "v", "ModelName": "theirs", "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="theirs", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="theirs", EndpointConfigName="theirs")
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005), tokens=Constant(5))) as emulator:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", emulator.base_url)
        yield moto


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")


def standing() -> dict[str, list[str]]:
    """What stands on AWS, by kind."""
    sagemaker = client("sagemaker")
    objects = client("s3").list_objects_v2(Bucket="runs-bucket").get("Contents", [])
    return {
        "models": [one["ModelName"] for one in sagemaker.list_models()["Models"]],
        "configs": [one["EndpointConfigName"] for one in sagemaker.list_endpoint_configs()["EndpointConfigs"]],
        "endpoints": [one["EndpointName"] for one in sagemaker.list_endpoints()["Endpoints"]],
        "objects": [one["Key"] for one in objects],
    }


THEIRS = {
    "models": ["theirs"],
    "configs": ["theirs"],
    "endpoints": ["theirs"],
    "objects": ["fmbench/somebody-elses"],
}


def secrets_found(folder: Path, *outputs: str) -> list[str]:
    """Where a secret stands in what a run has left or said."""
    secrets = (HF_TOKEN, SECRET_KEY, ACCESS_KEY)
    found = [f"output: {secret}" for secret in secrets for text in outputs if secret in text]
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            found += [f"{path}: {secret}" for secret in secrets if secret.encode() in content]
    return found


def test_a_whole_run_makes_measures_and_deletes_an_endpoint(
    fmbench: Callable[..., Finished], write_config: Callable[..., Path], cloud: str
) -> None:
    config = write_config([{"name": "on-sagemaker", **ON_SAGEMAKER}], pricing={"ml.g4dn.xlarge": 0.736})
    done = fmbench("--config-file", config)
    assert done.code == 0, done.out + done.err
    (endpoint,) = done.read("endpoints.json").values()
    assert (endpoint["status"], endpoint["owned"]) == ("deleted", True)
    kinds = [one["kind"] for one in endpoint["resources"]]
    assert kinds == ["s3_object", "model", "endpoint_config", "endpoint"]
    assert endpoint["resources"][-1]["instance_type"] == "ml.g4dn.xlarge"
    assert standing() == THEIRS
    summary = pd.read_csv(done.run / "metrics" / "all_metrics_summary.csv")
    assert list(summary["concurrency"]) == [1, 2]
    assert (summary["errors"] == 0).all()
    assert (summary["TTFT_p50"] > 0.02).all()
    assert (summary["completion_token_count_mean"] == 5).all()
    assert summary["price_per_txn"].notna().all()
    assert secrets_found(done.run, done.out, done.err) == []


@pytest.mark.thorough
def test_what_a_killed_run_deployed_is_deleted_by_cleanup_and_nothing_else(
    tmp_path: Path, fmbench: Callable[..., Finished], write_config: Callable[..., Path], cloud: str
) -> None:
    config = write_config(
        [{"name": "one", **ON_SAGEMAKER}, {"name": "two", **ON_SAGEMAKER}],
        load={"requests": 5000, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "allowed"},
    )
    running = Running(config, tmp_path / "results")
    wait_until(lambda: running.measuring(after_levels=0))
    during = standing()
    assert [len(found) for found in during.values()] == [3, 3, 3, 3]
    kernel = running.kernel
    assert kernel is not None
    os.killpg(running.process.pid, signal.SIGKILL)
    kernel.kill()
    _, said = running.end()
    assert standing() == during
    done = fmbench("cleanup", running.run, results=False)
    assert done.code == 0, done.out + done.err
    assert sorted(done.out.splitlines()) == ["one: deleted", "two: deleted"]
    assert standing() == THEIRS
    again = fmbench("cleanup", running.run, results=False)
    assert (again.code, sorted(again.out.splitlines())) == (0, ["one: deleted before", "two: deleted before"])
    assert secrets_found(running.run, said, done.out, again.out) == []


# -- each step failing -------------------------------------------------------------------------------------------------


@pytest.fixture
def control_plane(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """A control plane that fails where a test wants, with somebody else's endpoint in it."""
    with stand_in() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        made.standing("Endpoint", "theirs", [])
        yield made


QUOTA = "The account-level service limit 'ml.g4dn.xlarge for endpoint usage' is 0 Instances."
ARTIFACTS = {**ON_SAGEMAKER, "model_data": {"S3DataSource": {"S3Uri": "s3://models/llama/"}}}
del ARTIFACTS["serving.properties"]


@pytest.mark.thorough
def test_two_that_fail_and_one_that_does_not(
    fmbench: Callable[..., Finished],
    write_config: Callable[..., Path],
    control_plane: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    control_plane.refusals["CreateEndpoint"] = [Refusal("ResourceLimitExceeded", QUOTA)]
    with launch(Behaviour(ttft=Constant(0.02), itl=Constant(0.005))) as emulator:
        config = write_config(
            [
                {"name": "no-quota", **ARTIFACTS},
                {"name": "not-there", **ARTIFACTS, "deploy": False, "ep_name": "nobodys"},
                {"name": "there", "ep_name": emulator.url},
            ]
        )
        done = fmbench("--config-file", config)
    assert done.code == 1, done.out + done.err
    made = done.read("endpoints.json")
    assert "the account's quota does not allow it" in made["no-quota"]["error"]
    assert "endpoint nobodys (ep_name) does not exist in us-east-1" in made["not-there"]["error"]
    assert made["there"]["status"] == "in_service"
    assert control_plane.names() == {"Endpoint": ["theirs"]}
    attention = "\n".join(done.read("summary.json")["attention"])
    assert "quota does not allow it" in attention
    assert "Traceback" not in done.out + done.err
    assert secrets_found(done.run, done.out, done.err) == []


@pytest.mark.thorough
def test_an_interruption_while_it_is_made_leaves_nothing(
    tmp_path: Path, write_config: Callable[..., Path], control_plane: StandIn
) -> None:
    control_plane.states, control_plane.until_deletable = ["Creating"], 1
    running = Running(write_config([{"name": "slow", **ARTIFACTS}]), tmp_path / "results")
    assert control_plane.reached.wait(90)
    assert sorted(control_plane.names()) == ["Endpoint", "EndpointConfig", "Model"]
    running.process.send_signal(signal.SIGINT)
    code, out = running.end()
    assert code == 130, out
    assert "Traceback" not in out
    assert control_plane.names() == {"Endpoint": ["theirs"]}
    assert secrets_found(running.run, out) == []


def test_what_a_deployment_lacks_is_bad_input(
    fmbench: Callable[..., Finished], write_config: Callable[..., Path], control_plane: StandIn
) -> None:
    lacking = {key: value for key, value in ARTIFACTS.items() if key != "sagemaker_execution_role"}
    done = fmbench("--config-file", write_config([{"name": "roleless", **lacking}]))
    assert done.code == 2, done.out + done.err
    assert "experiment roleless: the role that the endpoint runs under is not known: give --role-arn" in done.err
    assert control_plane.calls == []
