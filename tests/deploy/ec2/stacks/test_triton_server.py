"""Triton's containers and model repositories against what its documentation and its backends' say.

`tritonserver --model-repository=…` speaks HTTP on 8000. A repository is `<model>/config.pbtxt` and `<model>/1/`. vLLM's
backend reads its engine arguments from `model.json`. `/v2/health/ready`, `/v2/models/<model>/generate[_stream]`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.deploy.ec2.container import Devices, Mount
from fmbench_lib.errors import DeployError
from tests.deploy.on_ec2 import FOLDER, containers, host, only_container, sent_to, stack_experiment


def test_triton_with_vllm(tmp_path: Path) -> None:
    spec = {"backend": "vllm", "tp_degree": 2, "container_params": {"gpu_memory_utilization": 0.8}, "stream": True}
    experiment = stack_experiment(tmp_path, "triton", instance_type="g5.12xlarge", inference_spec=spec)
    container = only_container(experiment)
    assert container.image == "nvcr.io/nvidia/tritonserver:24.08-vllm-python-py3"
    assert set(container.files) == {"repository/model/config.pbtxt", "repository/model/1/model.json", "start.sh"}
    assert 'backend: "vllm"' in container.files["repository/model/config.pbtxt"]
    settings = json.loads(container.files["repository/model/1/model.json"])
    assert settings == {"model": "org/model", "tensor_parallel_size": 2, "gpu_memory_utilization": 0.8}
    assert container.files["start.sh"] == "exec tritonserver --model-repository=/fmbench/repository --http-port=8000\n"
    assert container.command == ("bash", "/fmbench/start.sh")
    assert Mount(FOLDER / container.name, "/fmbench") in container.mounts
    assert (container.container_port, container.health_path) == (8000, "/v2/health/ready")
    assert sent_to(experiment, container) == "/v2/models/model/generate_stream"


def test_triton_with_tensorrt_llm(tmp_path: Path) -> None:
    spec = {"tp_degree": 2, "batch_size": 64, "model_copies": "max", "container_params": {"dtype": "bfloat16"}}
    experiment = stack_experiment(
        tmp_path,
        "triton",
        instance_type="g6e.24xlarge",
        ep_name="http://localhost:8080/v2/models/ensemble/generate",
        inference_spec={**spec, "stream": False},
    )
    first, second = containers(experiment)
    assert first.image == "nvcr.io/nvidia/tritonserver:24.08-trtllm-python-py3"
    assert (first.devices.indices, second.devices.indices) == ((0, 1), (2, 3))
    assert (first.host_port, first.container_port, sent_to(experiment, first)) == (
        8080,
        8000,
        "/v2/models/ensemble/generate",
    )
    script = first.files["start.sh"]
    for needed in (
        "/convert_checkpoint.py",
        "--dtype bfloat16 --tp_size 2",
        "trtllm-build --checkpoint_dir",
        "--max_batch_size 64",
        "fill_template.py -i",
        "decoupled_mode:False",
        "batching_strategy:inflight_fused_batching",
        "launch_triton_server.py --world_size 2",
    ):
        assert needed in script
    assert "dtype:bfloat16" not in script, "what the engine is built with is no setting of the model"
    assert any("built when the container starts" in note for note in first.notes)


def test_triton_streams_in_decoupled_mode(tmp_path: Path) -> None:
    experiment = stack_experiment(tmp_path, "triton", inference_spec={"stream": True})
    assert "decoupled_mode:True" in only_container(experiment, host("nvidia", 1)).files["start.sh"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not on this machine")
@pytest.mark.parametrize("model", ["org/model", 'it\'s $(here) "now"; true'])
def test_the_script_is_valid_bash_for_any_model_name(tmp_path: Path, model: str) -> None:
    experiment = stack_experiment(
        tmp_path, "triton", model_id=model, inference_spec={"container_params": {"gpu_device_ids": "0,1"}}
    )
    script = only_container(experiment, host("nvidia", 1)).files["start.sh"]
    assert r"gpu_device_ids:0\,1" in script
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    message = script.split("\nif [", maxsplit=1)[0] + '\nprintf %s "$model"\n'
    assert subprocess.run(["bash"], input=message, text=True, capture_output=True, check=False).stdout == model


def test_triton_with_djl_on_neuron(tmp_path: Path) -> None:
    spec = {
        "backend": "djl",
        "model_copies": "max",
        "container_params": {
            "tp_degree": 24,
            "n_positions": 4096,
            "context_length_estimate": "3072, 4096",
            "max_rolling_batch_size": 8,
            "trust_remote_code": True,
            "serving.properties": "option.amp=f16\noption.n_positions=1",
        },
    }
    experiment = stack_experiment(
        tmp_path,
        "triton",
        instance_type="inf2.48xlarge",
        image_uri="tritonserver-neuronx:local",
        ep_name="http://localhost:8080/v2/models/Mine-70B/generate",
        inference_spec=spec,
        env={"NEURON_CC_FLAGS": "-O3"},
    )
    container = only_container(experiment)
    assert container.devices == Devices("neuron", tuple(range(12)))
    assert json.loads(container.files["repository/Mine-70B/1/model.json"]) == {
        "model_id": "org/model",
        "tensor_parallel_degree": 24,
        "n_positions": 4096,
        "context_length_estimate": "3072, 4096",
        "max_rolling_batch_size": 8,
        "trust_remote_code": True,
        "amp": "f16",
        "rolling_batch": "auto",
        "output_formatter": "jsonlines",
    }
    assert "decoupled: true" in container.files["repository/Mine-70B/config.pbtxt"]
    assert "class TritonPythonModel" in container.files["repository/Mine-70B/1/model.py"]
    assert container.environment["NEURON_CC_FLAGS"] == "-O3"
    assert sent_to(experiment, container) == "/v2/models/Mine-70B/generate_stream"


def test_the_start_script_installs_djls_engine_where_the_image_lacks_it(tmp_path: Path) -> None:
    """Run with stand-ins of python3 and tritonserver that note how they are called."""
    spec = {"backend": "djl", "tp_degree": 2}
    container = only_container(
        stack_experiment(tmp_path, "triton", image_uri="mine", inference_spec=spec), host("neuron", 1, 2)
    )

    def run(*installed: str) -> tuple[int, str, list[str]]:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        calls = tmp_path / "calls"
        calls.write_text("")
        modules = " | ".join(installed) or "none"
        python = f'case "$1 $3" in\n"-c "*) case "$3" in {modules}) exit 0;; *) exit 1;; esac;; esac\n'
        for name, body in (("python3", python), ("tritonserver", "")):
            script = folder / name
            script.write_text(f'#!/bin/bash\n{body}echo "{name} $*" >> {calls}\n')
            script.chmod(0o755)
        start = tmp_path / "start.sh"
        start.write_text(container.files["start.sh"])
        path = f"{folder}:{os.environ['PATH']}"
        ended = subprocess.run(["bash", str(start)], env={"PATH": path}, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stderr, calls.read_text().splitlines()

    code, _, calls = run("transformers_neuronx")
    assert code == 0
    assert calls[0].startswith("python3 -m pip install djl_python @ git+https://")
    assert "@v0.29.0#subdirectory=engines/python/setup" in calls[0]
    assert calls[1].startswith("tritonserver --model-repository=/fmbench/repository")
    assert [call.split()[0] for call in run("transformers_neuronx", "djl_python")[2]] == ["tritonserver"]
    code, message, calls = run()
    assert (code, calls) == (1, [])
    assert "this image has no transformers_neuronx" in message


def test_triton_with_vllm_on_neuron(tmp_path: Path) -> None:
    spec = {"backend": "vllm", "tp_degree": 8, "container_params": {"max_num_seqs": 4, "block_size": 8192}}
    container = only_container(
        stack_experiment(tmp_path, "triton", image_uri="mine", inference_spec=spec), host("neuron", 16, 2)
    )
    settings = json.loads(container.files["repository/model/1/model.json"])
    assert (settings["device"], settings["tensor_parallel_size"], settings["max_num_seqs"]) == ("neuron", 8, 4)


@pytest.mark.parametrize(
    ("keys", "on", "message"),
    [
        ({}, host("neuron", 2, 2), "Triton for Neuron has no published image: set image_uri"),
        (
            {"inference_spec": {"backend": "djl"}},
            host("nvidia", 1),
            "Triton has no backend djl on GPUs; write tensorrt",
        ),
        ({"ep_name": "http://h:1/v2/models/mine/generate"}, host("nvidia", 1), "is named ensemble, not mine"),
        ({}, host(), "triton needs NVIDIA GPUs or Neuron devices; the host has no accelerators"),
    ],
)
def test_what_triton_rejects(tmp_path: Path, keys: dict[str, Any], on: Any, message: str) -> None:
    with pytest.raises(DeployError, match=message):
        containers(stack_experiment(tmp_path, "triton", **keys), on)
