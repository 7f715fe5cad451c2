"""Every shipped config for EC2 becomes containers on its instance type."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fmbench_lib.config import load_config, shipped_configs
from fmbench_lib.config.platforms import CONTAINER_TYPES
from fmbench_lib.deploy.ec2.stacks.description import describe_all
from fmbench_lib.predictors.registry import predictor_for
from tests.deploy.on_ec2 import containers

CONFIGS = {name.removeprefix("ec2/"): path for name, path, _ in shipped_configs() if name.startswith("ec2/")}
# On which type each is planned, with which tp_degree: then how many containers there are, of which devices each.
PLANS = {
    "djl": ("p4d.24xlarge", 2, ["nvidia 0,1", "nvidia 2,3", "nvidia 4,5", "nvidia 6,7"]),
    "embeddings": ("m7i.2xlarge", 1, ["none "]),
    "llama_server": ("", 1, ["none ", "none "]),
    "ollama": ("g5.12xlarge", 1, ["nvidia 0,1,2,3"]),
    "sglang": ("g6e.12xlarge", 4, ["nvidia 0,1,2,3"]),
    "tgi": ("g5.24xlarge", 2, ["nvidia 0,1", "nvidia 2,3"]),
    "triton": ("g6e.24xlarge", 2, ["nvidia 0,1", "nvidia 2,3"]),
    "triton_neuron": ("trn1.32xlarge", 16, ["neuron 0,1,2,3,4,5,6,7", "neuron 8,9,10,11,12,13,14,15"]),
    "vllm": ("g5.48xlarge", 4, ["nvidia 0,1,2,3", "nvidia 4,5,6,7"]),
    "vllm_cpu": ("m7i.12xlarge", 1, ["none "]),
}


def test_every_stack_has_a_config_and_every_config_is_planned_here() -> None:
    assert set(CONFIGS) == set(PLANS)
    texts = "\n".join(path.read_text() for path in CONFIGS.values())
    assert set(re.findall(r"container_type: (\w+)", texts)) == set(CONTAINER_TYPES)


@pytest.mark.parametrize("name", sorted(PLANS))
def test_a_shipped_config_becomes_containers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    instance_type, tp_degree, expected = PLANS[name]
    arguments = {"model_id": "org/model", "tokenizer": "words", "instance_type": instance_type, "image": "mine"}
    arguments |= {"tp_degree": str(tp_degree), "batch_size": "8"}
    config = load_config(CONFIGS[name], arguments=arguments, standard={"region": "us-east-1"}).config
    (experiment,) = config.experiments
    placed = containers(experiment, cores=8, folders=(Path.cwd(),))
    assert [
        f"{container.devices.kind} {','.join(map(str, container.devices.indices))}" for container in placed
    ] == expected
    assert all("{" not in container.image for container in placed)
    assert not any(
        "region" in note or "image_uri is not set" in note for container in placed for note in container.notes
    )
    url = f"http://127.0.0.1:{placed[0].host_port}{placed[0].path}"
    assert predictor_for(experiment, url, experiment.model_id).encode("Hello").body
    assert describe_all(placed).count("\n  mounts ") >= 1
