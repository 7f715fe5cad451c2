"""Copies on devices and ports: as many as fit, none shared, and a one-line error where they do not fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import ConfigError
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.container import Devices
from fmbench_lib.deploy.ec2.stacks.stack_containers import copies_of
from fmbench_lib.deploy.instance_types import DeviceKind
from fmbench_lib.errors import DeployError
from tests.deploy.on_ec2 import containers, host, make_experiment


def vllm(folder: Path, **spec: Any) -> Any:
    return make_experiment(folder, model_id="org/m", inference_spec={"container_type": "vllm_gpu", **spec})


@pytest.mark.parametrize("count", [1, 2, 4, 7, 8, 16])
@pytest.mark.parametrize("tp_degree", [1, 2, 3, 4, 8])
def test_max_copies_fill_the_host_without_sharing_a_device(tmp_path: Path, count: int, tp_degree: int) -> None:
    experiment, machine = vllm(tmp_path, model_copies="max", tp_degree=tp_degree), host("nvidia", count)
    if count < tp_degree:
        with pytest.raises(DeployError, match=f"tp_degree {tp_degree} needs {tp_degree} GPU"):
            containers(experiment, machine)
        return
    placed = containers(experiment, machine)
    assert len(placed) == copies_of(experiment, machine) == count // tp_degree
    used = [index for container in placed for index in container.devices.indices]
    assert len(used) == len(set(used)) == len(placed) * tp_degree
    assert {len(container.devices.indices) for container in placed} == {tp_degree}
    assert (
        len({container.host_port for container in placed})
        == len({container.name for container in placed})
        == len(placed)
    )


@pytest.mark.parametrize(
    ("devices", "cores", "tp_degree", "copies", "each"),
    [(16, 2, 8, 4, 4), (12, 2, 24, 1, 12), (12, 2, 4, 6, 2), (1, 2, 2, 1, 1), (1, 2, 1, 1, 1), (16, 4, 4, 16, 1)],
)
def test_on_neuron_tp_degree_counts_cores(
    tmp_path: Path, devices: int, cores: int, tp_degree: int, copies: int, each: int
) -> None:
    experiment = make_experiment(
        tmp_path,
        model_id="org/m",
        inference_spec={"model_copies": "max", "tp_degree": tp_degree, "container_type": "djl"},
    )
    placed = containers(experiment, host("neuron", devices, cores))
    assert [len(container.devices.indices) for container in placed] == [each] * copies


def test_auto_is_one_server_with_all_devices(tmp_path: Path) -> None:
    (only,) = containers(vllm(tmp_path, model_copies="auto", tp_degree=2), host("nvidia", 8))
    assert only.devices.indices == tuple(range(8))


def test_a_number_of_copies_uses_the_first_devices(tmp_path: Path) -> None:
    placed = containers(vllm(tmp_path, model_copies=2, tp_degree=2), host("nvidia", 8))
    assert [container.devices.indices for container in placed] == [(0, 1), (2, 3)]


@pytest.mark.parametrize("kind", ["ollama", "llama_server"])
def test_servers_that_use_all_devices_get_equal_shares(tmp_path: Path, kind: str) -> None:
    spec = {"container_type": kind, "model_copies": 2}
    experiment = make_experiment(tmp_path, model_id="org/m", inference_spec=spec)
    assert [container.devices.indices for container in containers(experiment, host("nvidia", 4))] == [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    ("spec", "kind", "count", "cores", "message"),
    [
        (
            {"model_copies": 3, "tp_degree": 2},
            "nvidia",
            4,
            1,
            "3 with tp_degree 2 needs 6 GPUs; the host has 4 GPUs",
        ),
        ({"model_copies": "auto", "tp_degree": 3}, "nvidia", 8, 1, "not divisible by tp_degree 3"),
        ({"model_copies": 2, "tp_degree": 1}, "nvidia", 1, 1, "needs 2 GPUs; the host has 1 GPU"),
        ({"tp_degree": 3, "container_type": "djl"}, "neuron", 4, 2, "a device has 2; write a multiple of 2"),
        ({"tp_degree": 1}, "none", 0, 1, "vllm_gpu needs NVIDIA GPUs; the host has no accelerators"),
        ({"tp_degree": 1}, "neuron", 1, 2, "vllm_gpu needs NVIDIA GPUs; the host has Neuron devices"),
    ],
)
def test_what_does_not_fit_is_a_one_line_error(
    tmp_path: Path, spec: dict[str, Any], kind: DeviceKind, count: int, cores: int, message: str
) -> None:
    with pytest.raises(DeployError, match=message) as raised:
        containers(vllm(tmp_path, **spec), host(kind, count, cores))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("spec", [{"tp_degree": -2}, {"tp_degree": 0}, {"model_copies": 0}, {"model_copies": "some"}])
def test_invalid_numbers_are_config_errors(tmp_path: Path, spec: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(spec))):
        vllm(tmp_path, **spec)


@pytest.mark.parametrize("cli", ["--tensor-parallel-size=-2", "--tensor-parallel-size two", "-tp 0"])
def test_invalid_numbers_in_server_options_are_errors(tmp_path: Path, cli: str) -> None:
    with pytest.raises(DeployError, match=r"--tensor-parallel-size is .*; write a whole number, 1 or more"):
        containers(vllm(tmp_path, cli_params=cli), host("nvidia", 4))


def test_ports_start_at_the_port_in_ep_name(tmp_path: Path) -> None:
    experiment = vllm(tmp_path, model_copies="max").model_copy(
        update={"ep_name": "http://localhost:9000/v1/completions"}
    )
    placed = containers(experiment, host("nvidia", 3))
    assert [(copy.host_port, copy.container_port) for copy in placed] == [(9000, 8000), (9001, 8000), (9002, 8000)]


def test_without_ep_name_ports_start_at_the_servers_default(tmp_path: Path) -> None:
    assert [container.host_port for container in containers(vllm(tmp_path, model_copies=2), host("nvidia", 2))] == [
        8000,
        8001,
    ]


def test_claimed_ports_are_used(tmp_path: Path) -> None:
    experiment = vllm(tmp_path, model_copies=2)
    assert [container.host_port for container in containers(experiment, host("nvidia", 2), ports=[51234, 40001])] == [
        51234,
        40001,
    ]
    for wrong in ([8000], [8000, 8000]):
        with pytest.raises(DeployError, match="2 copies need 2 distinct ports, not 8000"):
            containers(experiment, host("nvidia", 2), ports=wrong)


def test_a_port_above_the_last_is_an_error(tmp_path: Path) -> None:
    experiment = vllm(tmp_path, model_copies=2).model_copy(update={"ep_name": "http://localhost:65535/v1/completions"})
    with pytest.raises(DeployError, match="port 65536 for copy 2 is above 65535"):
        containers(experiment, host("nvidia", 2))


def test_copies_on_a_cpu_share_its_cores(tmp_path: Path) -> None:
    spec = {"container_type": "llama_server", "model_copies": 3}
    placed = containers(make_experiment(tmp_path, model_id="org/m", inference_spec=spec), host(), cores=8)
    assert [container.command[container.command.index("--threads") + 1] for container in placed] == ["2", "2", "2"]
    assert {container.devices.kind for container in placed} == {"none"}
    with pytest.raises(DeployError, match="model_copies 3 exceeds the 2 cores"):
        containers(make_experiment(tmp_path, model_id="org/m", inference_spec=spec), host(), cores=2)


@pytest.mark.parametrize("copies", ["max", "auto", 1])
def test_one_copy_on_a_cpu_has_all_cores(tmp_path: Path, copies: Any) -> None:
    spec = {"container_type": "llama_server", "model_copies": copies}
    (only,) = containers(make_experiment(tmp_path, model_id="org/m", inference_spec=spec), host(), cores=8)
    assert "--threads" not in only.command


def test_unused_devices_are_noted(tmp_path: Path) -> None:
    first, second = containers(vllm(tmp_path, model_copies="max", tp_degree=3), host("nvidia", 8))
    assert first.notes[-1] == "2 GPUs unused: too few for another copy"
    assert second.notes == first.notes[:-1]


@pytest.mark.parametrize(
    ("kind", "spec", "count", "note"),
    [
        ("vllm_gpu", {"tp_degree": 2}, 8, "uses 2 of the 8 GPUs that it sees: .* model_copies: max for 4 copies"),
        ("vllm_gpu", {}, 4, "uses 1 of the 4 GPUs that it sees: .* for 4 copies"),
        ("sglang", {"tp_degree": 2, "cli_params": "--pp 2"}, 8, "uses 4 of the 8 GPUs .* for 2 copies"),
        ("sglang", {"cli_params": "--tp 2"}, 8, "uses 2 of the 8 GPUs .* for 4 copies"),
        ("huggingface", {"tp_degree": 4}, 8, "uses 4 of the 8 GPUs .* for 2 copies"),
        ("huggingface", {"tp_degree": 8}, 8, None),
        ("djl", {"tp_degree": 2}, 8, None),
        ("ollama", {}, 8, None),
    ],
)
def test_auto_notes_idle_devices(tmp_path: Path, kind: str, spec: dict[str, Any], count: int, note: str | None) -> None:
    experiment = vllm(tmp_path, **{"container_type": kind, "model_copies": "auto", **spec})
    (only,) = containers(experiment, host("nvidia", count))
    notes = [result for result in only.notes if "uses" in result]
    assert len(notes) == (note is not None)
    assert all(re.fullmatch(str(note), result) for result in notes)


def test_auto_counts_devices_on_neuron(tmp_path: Path) -> None:
    spec = {"container_type": "huggingface", "model_copies": "auto", "tp_degree": 4}
    (only,) = containers(make_experiment(tmp_path, model_id="org/m", inference_spec=spec), host("neuron", 12, 2))
    assert only.notes[-1].startswith("uses 2 of the 12 Neuron devices")
    assert only.notes[-1].endswith("for 6 copies")


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        ([0, 4], "copy 1 would get Neuron devices 0, 4: a container's devices must be contiguous"),
        ([0, 1, 4, 6], "copy 2 would get Neuron devices 4, 6"),
    ],
)
def test_neuron_devices_of_a_copy_are_contiguous(tmp_path: Path, devices: list[int], message: str) -> None:
    spec = {"container_type": "djl", "model_copies": "max", "tp_degree": 4}
    experiment = make_experiment(tmp_path, model_id="org/m", inference_spec=spec)
    with pytest.raises(DeployError, match=message) as raised:
        containers(experiment, Host(Devices("neuron", tuple(devices)), 2, "config"))
    assert "\n" not in str(raised.value)


def test_neuron_devices_may_have_gaps_between_copies(tmp_path: Path) -> None:
    spec = {"container_type": "djl", "model_copies": "max", "tp_degree": 4}
    experiment = make_experiment(tmp_path, model_id="org/m", inference_spec=spec)
    placed = containers(experiment, Host(Devices("neuron", (5, 4, 0, 1)), 2, "config"))
    assert [container.devices.indices for container in placed] == [(4, 5), (0, 1)]
