"""DJL Serving's container, compared with what LMI's documentation says to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.deploy.ec2.container import Devices, Mount
from fmbench_lib.errors import DeployError
from tests.deploy.on_ec2 import FOLDER, containers, host, only_container, sent_to, stack_experiment

LMI = "763104351884.dkr.ecr.us-west-2.amazonaws.com/djl-inference:0.29.0-lmi11.0.0-cu124"


@pytest.fixture(autouse=True)
def models_of_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", "/cache/huggingface")


# -- DJL LMI: docker run … -v MODEL:/opt/ml/model -p 8080:8080; serving.properties in that folder comes before variables
#    (option.<key> is OPTION_<KEY>; HF_MODEL_ID; TENSOR_PARALLEL_DEGREE); /ping, /invocations


def test_djl_with_serving_properties(tmp_path: Path) -> None:
    text = "engine=MPI\noption.rolling_batch=lmi-dist\noption.tensor_parallel_degree=2\n"
    spec = {"tp_degree": 2, "model_copies": "max", "shm_size": "12g", "batch_size": 16}
    keys = {"image_uri": LMI, "instance_type": "p4d.24xlarge", "serving.properties": text, "inference_spec": spec}
    experiment = stack_experiment(tmp_path, "djl", **keys)
    container = containers(experiment)
    assert [copy.devices.indices for copy in container] == [(0, 1), (2, 3), (4, 5), (6, 7)]
    first = container[0]
    assert first.files == {
        "model/serving.properties": text + "option.model_id=org/model\noption.max_rolling_batch_size=16\n"
    }
    assert first.folder == FOLDER / first.name
    assert Mount(FOLDER / first.name / "model", "/opt/ml/model") in first.mounts
    assert (first.container_port, first.health_path, sent_to(experiment, first)) == (8080, "/ping", "/invocations")
    assert (first.command, first.entrypoint, first.shm_size) == ((), None, "12g")
    assert "HF_MODEL_ID" not in first.environment
    assert len({copy.folder for copy in container}) == 4


def test_djl_without_serving_properties_is_configured_by_variables(tmp_path: Path) -> None:
    spec = {"tp_degree": 4, "batch_size": 8, "container_params": {"max_model_len": 4096, "trust_remote_code": True}}
    keys = {"image_uri": LMI, "instance_type": "g5.12xlarge", "ec2": {"model_loading_timeout": 3600}}
    container = only_container(stack_experiment(tmp_path, "djl", inference_spec=spec, **keys))
    assert container.files == {}
    assert (
        container.environment.items()
        >= {
            "HF_MODEL_ID": "org/model",
            "TENSOR_PARALLEL_DEGREE": "4",
            "OPTION_MAX_ROLLING_BATCH_SIZE": "8",
            "OPTION_MAX_MODEL_LEN": "4096",
            "OPTION_TRUST_REMOTE_CODE": "true",
        }.items()
    )


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"model_id": "models/mine", "serving.properties": "engine=MPI"}, "engine=MPI\noption.model_id=/models/mine\n"),
        (
            {"model_id": "org/model", "serving.properties": "option.model_id = models/mine\nengine=MPI"},
            "option.model_id=/models/mine\nengine=MPI\n",
        ),
        ({"model_id": "models/mine"}, None),
    ],
)
def test_djl_mounts_a_model_of_this_host(tmp_path: Path, keys: dict[str, Any], named: str | None) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    degree = {"env": {"OPTION_TENSOR_PARALLEL_DEGREE": 1}}
    container = only_container(
        stack_experiment(tmp_path, "djl", **keys, **degree), host("nvidia", 1), folders=(tmp_path,)
    )
    assert Mount(tmp_path / "models" / "mine", "/models/mine") in container.mounts
    assert Mount(Path("/cache/huggingface"), "/opt/models", read_only=False) in container.mounts
    assert container.files.get("model/serving.properties") == named
    assert named or container.environment["HF_MODEL_ID"] == "/models/mine"


@pytest.mark.parametrize("named", ["/opt/djl/model", "s3://bucket/models/mine/", "org/other"])
def test_djl_gets_other_model_names_unchanged(tmp_path: Path, named: str) -> None:
    text = f"option.model_id={named}\noption.tensor_parallel_degree=1\n"
    container = only_container(
        stack_experiment(tmp_path, "djl", **{"serving.properties": text}), host("nvidia", 1), folders=(tmp_path,)
    )
    assert container.files == {"model/serving.properties": text}
    assert [mount.target for mount in container.mounts] == ["/opt/ml/model", "/opt/models"]


def test_djl_on_neuron_counts_cores(tmp_path: Path) -> None:
    text = "engine=Python\noption.entryPoint=djl_python.transformers_neuronx\noption.tensor_parallel_degree=8\n"
    spec = {"tp_degree": 8, "model_copies": "max"}
    image = LMI.replace("lmi11.0.0-cu124", "neuronx-sdk2.19.1")
    keys = {"image_uri": image, "instance_type": "trn1.32xlarge", "serving.properties": text, "inference_spec": spec}
    container = containers(stack_experiment(tmp_path, "djl", env={"NEURON_CC_FLAGS": "-O3"}, **keys))
    assert [copy.devices for copy in container] == [
        Devices("neuron", tuple(range(first, first + 4))) for first in (0, 4, 8, 12)
    ]
    assert {copy.environment["NEURON_CC_FLAGS"] for copy in container} == {"-O3"}


@pytest.mark.parametrize(
    ("keys", "on", "message"),
    [
        ({"image_uri": LMI}, host(), "is built for GPUs; this host has no accelerators"),
        ({"image_uri": LMI}, host("neuron", 2, 2), "is built for GPUs; this host has Neuron devices"),
        (
            {"serving.properties": "option.tensor_parallel_degree=4", "inference_spec": {"tp_degree": 2}},
            host("nvidia", 8),
            "tp_degree 2 gives each copy 2 accelerators, but the server's own settings ask for 4",
        ),
        (
            {"serving.properties": "option.tensor_parallel_degree=-1"},
            host("nvidia", 8),
            "is '-1'; write a whole number",
        ),
        ({"inference_spec": {"cli_params": "--quick"}}, host("nvidia", 1), "takes no options"),
        ({"protocol": "tgi"}, host("nvidia", 1), "djl takes protocol djl or openai, not tgi"),
    ],
)
def test_what_djl_rejects(tmp_path: Path, keys: dict[str, Any], on: Any, message: str) -> None:
    with pytest.raises(DeployError, match=message):
        containers(stack_experiment(tmp_path, "djl", **keys), on)
