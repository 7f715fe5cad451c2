"""A stand-in for AWS's Neuron SDK, S3 by moto, and experiments that are compiled for Neuron."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from moto import mock_aws

from fmbench_lib.aws.session import client as aws_client
from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext
from fmbench_lib.deploy.neuron import compile as neuron_compile
from fmbench_lib.deploy.neuron.compile import ensure_compiled
from tests.deploy.conftest import Notes
from tests.deploy.on_aws import HF_TOKEN, artifacts, asking

WEIGHTS = "s3://runs/lmi/model/model-split"
PROPERTIES = f"""
engine=Python
option.entryPoint=djl_python.transformers_neuronx
option.model_id={WEIGHTS}/
option.load_split_model=True
option.tensor_parallel_degree=24
option.n_positions=8192
option.max_rolling_batch_size=8
option.dtype=fp16
option.neuron_optimize_level=2
"""
PLACED = [
    "lmi/model/fmbench-neuron.json",
    "lmi/model/model-split/config.json",
    "lmi/model/model-split/pytorch_model.bin/p0",
    "lmi/model/model-split/tokenizer.json",
    "lmi/model/neuronx_artifacts/graph.neff",
]

# What the SDK's libraries do, as far as our program calls them; torch itself is not needed for that.
TRANSFORMERS = """
from pathlib import Path
class _Auto:
    @classmethod
    def from_pretrained(cls, path, **options):
        assert (Path(path) / "config.json").is_file(), path
        return cls()
    def save_pretrained(self, path):
        (Path(path) / "tokenizer.json").write_text("{}")
AutoModelForCausalLM = AutoTokenizer = _Auto
"""
TRANSFORMERS_NEURONX = """
import json, os, time
from pathlib import Path
class NeuronAutoModelForCausalLM:
    @classmethod
    def from_pretrained(cls, path, **options):
        made = cls()
        made.asked = {**options, "cores": os.environ["NEURON_RT_NUM_CORES"], "flags": os.environ["NEURON_CC_FLAGS"],
                      "token": os.environ.get("HF_TOKEN")}
        return made
    def to_neuron(self):
        if os.environ.get("FAKE_NEURON") == "hang":
            time.sleep(600)
        if os.environ.get("FAKE_NEURON"):
            raise RuntimeError(os.environ["FAKE_NEURON"])
    def save(self, path):
        filling = bytes(int(os.environ.get("BYTES", 0)))
        (Path(path) / "graph.neff").write_bytes(json.dumps(self.asked).encode() + filling)
"""
MODULE = """
from pathlib import Path
def save_pretrained_split(model, path):
    (Path(path) / "pytorch_model.bin").mkdir()
    (Path(path) / "pytorch_model.bin" / "p0").write_bytes(b"piece")
    (Path(path) / "config.json").write_text("{}")
"""


def compiled_experiment(**changes: Any) -> Experiment:
    facts: dict[str, Any] = {
        "model_data": None,
        "model_id": "org/model",
        "bucket": "runs",
        "deployment_script": "neuron_deploy.py",
        "instance_type": "ml.inf2.48xlarge",
        "prefix": "lmi",
        "ec2": {"batch_size": 1, "num_neuron_cores": 24, "neuron_version": "2.19.1"},
        "serving_properties": PROPERTIES,
    }
    return artifacts(**{**facts, **changes})


@pytest.fixture(autouse=True)
def machine(aws_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with its own cache and without a Neuron SDK."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("FMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(neuron_compile, "_POLL_S", 0.01)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto's S3 with one bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        created: Any = aws_client("s3", "us-east-1")
        created.create_bucket(Bucket="runs")
        yield created


@pytest.fixture
def sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler on PATH with the Python beside it, and a model in the hub's cache; the folder of its commands."""
    tools, libraries, model = tmp_path / "sdk" / "bin", tmp_path / "sdk" / "lib", tmp_path / "hub" / "snapshot"
    (libraries / "transformers_neuronx").mkdir(parents=True)
    (libraries / "transformers.py").write_text(TRANSFORMERS)
    (libraries / "transformers_neuronx" / "__init__.py").write_text(TRANSFORMERS_NEURONX)
    (libraries / "transformers_neuronx" / "module.py").write_text(MODULE)
    tools.mkdir()
    for name, script in {
        "neuronx-cc": "echo NeuronX Compiler version 2.14.227.0",
        "python3": f'PYTHONPATH={shlex.quote(str(libraries))} exec {sys.executable} -S "$@"',
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")

    def snapshot(model_id: str, token: str | bool) -> str:
        assert (model_id, token) == ("org/model", HF_TOKEN)
        return str(model)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return tools


def keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="runs").get("Contents", [])]


Compile = Callable[..., tuple[str, Notes, list[list[dict[str, Any]]]]]


@pytest.fixture
def compile_model(tmp_path: Path) -> Compile:
    """Compiles; returns the address, the messages and the records."""

    def run(experiment: Experiment | None = None, **changes: Any) -> tuple[str, Notes, list[list[dict[str, Any]]]]:
        context, notes = asking(tmp_path)
        noted: list[list[dict[str, Any]]] = []
        given: DeployContext = replace(context, hf_token=HF_TOKEN, **changes)
        address = ensure_compiled(experiment or compiled_experiment(), "us-east-1", given, noted.append)
        return address, notes, noted

    return run
