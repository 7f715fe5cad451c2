"""The number of GPUs of a copy where the server's own options set kinds of parallelism."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.errors import DeployError
from tests.deploy.on_ec2 import containers, host, only_container, stack_experiment, value_after

TENSOR = {"vllm_gpu": "--tensor-parallel-size", "sglang": "--tp"}


@pytest.mark.parametrize(
    ("kind", "tp_degree", "options", "tensor", "gpus"),
    [
        ("vllm_gpu", 2, "--pipeline-parallel-size 2", "2", 4),
        ("vllm_gpu", None, "-pp 2", "1", 2),
        ("vllm_gpu", 2, "-pp 2 --data_parallel_size=2", "2", 8),
        ("sglang", 2, "--pp-size 2", "2", 4),
        ("sglang", 2, "--dp 4", "2", 8),
        ("sglang", 8, "--dp 8 --enable-dp-attention", "8", 8),
        ("sglang", 4, "--dp 2 --pp 2 --enable-dp-attention", "4", 8),
    ],
)
def test_tp_degree_is_multiplied_by_other_kinds_of_parallelism(
    tmp_path: Path, kind: str, tp_degree: int | None, options: str, tensor: str, gpus: int
) -> None:
    spec = {"cli_params": options, **({} if tp_degree is None else {"tp_degree": tp_degree})}
    container = only_container(stack_experiment(tmp_path, kind, inference_spec=spec), host("nvidia", 8))
    assert value_after(TENSOR[kind], container.command) == tensor
    assert container.devices.indices == tuple(range(gpus))
    assert container.notes == (f"image_uri is not set: {container.image} is used",)


@pytest.mark.parametrize(
    ("kind", "options", "gpus"),
    [
        ("sglang", "--tp 8 --dp 8 --enable-dp-attention", 8),
        ("sglang", "--tp 2 --dp 2", 4),
        ("vllm_gpu", "-tp 2 -pp 2", 4),
    ],
)
def test_tensor_parallelism_in_the_options_is_not_repeated(tmp_path: Path, kind: str, options: str, gpus: int) -> None:
    for ours in ({}, {"tp_degree": gpus}):
        container = only_container(
            stack_experiment(tmp_path, kind, inference_spec={"cli_params": options, **ours}), host("nvidia", 8)
        )
        assert len(container.devices.indices) == gpus
        assert sum(word in ("--tp", "-tp", "--tensor-parallel-size") for word in container.command) == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "tp_degree 4 times 2 \\(set in the server's options\\) needs 8 GPUs; the host has 4 GPUs"),
        (
            {"tp_degree": 1, "model_copies": 3},
            "3 with tp_degree 1 times 2 \\(set in .* options\\) needs 6 GPUs",
        ),
        ({"tp_degree": 3, "model_copies": "auto"}, "needs 6 GPUs; the host has 4 GPUs"),
    ],
)
def test_errors_name_the_source_of_the_parallelism(tmp_path: Path, spec: dict[str, Any], message: str) -> None:
    experiment = stack_experiment(tmp_path, "vllm_gpu", inference_spec={"tp_degree": 4, "cli_params": "-pp 2", **spec})
    with pytest.raises(DeployError, match=message):
        containers(experiment, host("nvidia", 4))


def test_auto_must_divide_by_all_kinds_together(tmp_path: Path) -> None:
    experiment = stack_experiment(
        tmp_path, "vllm_gpu", inference_spec={"tp_degree": 2, "cli_params": "-pp 2", "model_copies": "auto"}
    )
    with pytest.raises(DeployError, match="write numbers whose product divides 6, or model_copies: max"):
        containers(experiment, host("nvidia", 6))


def test_a_plan_for_a_too_small_instance_type_has_a_note(tmp_path: Path) -> None:
    experiment = stack_experiment(
        tmp_path, "vllm_gpu", instance_type="g6e.12xlarge", inference_spec={"cli_params": "-pp 8"}
    )
    container = only_container(experiment)
    assert value_after("--tensor-parallel-size", container.command) == "1"
    assert container.devices.indices == (0, 1, 2, 3)
    assert "ask for 8 accelerators, and g6e.12xlarge has 4 GPUs: it will not start there" in container.notes[-1]
