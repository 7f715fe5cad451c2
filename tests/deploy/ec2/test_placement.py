"""Copies on devices and ports: as many as fit, none shared, and one clear line where they do not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import ConfigError
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.container import DeviceKind, Devices
from fmbench_lib.deploy.ec2.stacks.stack_containers import copies_of
from fmbench_lib.errors import DeployError
from tests.deploy.on_ec2 import containers, experiment, host


def vllm(folder: Path, **spec: Any) -> Any:
    return experiment(folder, model_id="org/m", inference_spec={"container_type": "vllm_gpu", **spec})


@pytest.mark.parametrize("count", [1, 2, 4, 7, 8, 16])
@pytest.mark.parametrize("tp_degree", [1, 2, 3, 4, 8])
def test_max_is_as_many_as_fit_and_no_device_is_shared(tmp_path: Path, count: int, tp_degree: int) -> None:
    given, machine = vllm(tmp_path, model_copies="max", tp_degree=tp_degree), host("nvidia", count)
    if count < tp_degree:
        with pytest.raises(DeployError, match=f"tp_degree {tp_degree} needs {tp_degree} GPU"):
            containers(given, machine)
        return
    made = containers(given, machine)
    assert len(made) == copies_of(given, machine) == count // tp_degree
    used = [index for one in made for index in one.devices.indices]
    assert len(used) == len(set(used)) == len(made) * tp_degree
    assert {len(one.devices.indices) for one in made} == {tp_degree}
    assert len({one.host_port for one in made}) == len({one.name for one in made}) == len(made)


@pytest.mark.parametrize(
    ("devices", "cores", "tp_degree", "copies", "each"),
    [(16, 2, 8, 4, 4), (12, 2, 24, 1, 12), (12, 2, 4, 6, 2), (1, 2, 2, 1, 1), (1, 2, 1, 1, 1), (16, 4, 4, 16, 1)],
)
def test_on_neuron_tp_degree_counts_cores(
    tmp_path: Path, devices: int, cores: int, tp_degree: int, copies: int, each: int
) -> None:
    given = experiment(
        tmp_path,
        model_id="org/m",
        inference_spec={"model_copies": "max", "tp_degree": tp_degree, "container_type": "djl"},
    )
    made = containers(given, host("neuron", devices, cores))
    assert [len(one.devices.indices) for one in made] == [each] * copies


def test_auto_is_one_server_that_sees_everything(tmp_path: Path) -> None:
    (only,) = containers(vllm(tmp_path, model_copies="auto", tp_degree=2), host("nvidia", 8))
    assert only.devices.indices == tuple(range(8))


def test_a_number_takes_the_first_devices_and_leaves_the_others(tmp_path: Path) -> None:
    made = containers(vllm(tmp_path, model_copies=2, tp_degree=2), host("nvidia", 8))
    assert [one.devices.indices for one in made] == [(0, 1), (2, 3)]


@pytest.mark.parametrize("kind", ["ollama", "llama_server"])
def test_servers_that_spread_by_themselves_share_all_devices_equally(tmp_path: Path, kind: str) -> None:
    spec = {"container_type": kind, "model_copies": 2}
    given = experiment(tmp_path, model_id="org/m", inference_spec=spec)
    assert [one.devices.indices for one in containers(given, host("nvidia", 4))] == [(0, 1), (2, 3)]


@pytest.mark.parametrize(
    ("spec", "kind", "count", "cores", "said"),
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
def test_what_does_not_fit_is_one_line(
    tmp_path: Path, spec: dict[str, Any], kind: DeviceKind, count: int, cores: int, said: str
) -> None:
    with pytest.raises(DeployError, match=said) as raised:
        containers(vllm(tmp_path, **spec), host(kind, count, cores))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("spec", [{"tp_degree": -2}, {"tp_degree": 0}, {"model_copies": 0}, {"model_copies": "some"}])
def test_numbers_that_mean_nothing_are_mistakes_of_the_config(tmp_path: Path, spec: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(spec))):
        vllm(tmp_path, **spec)


@pytest.mark.parametrize("cli", ["--tensor-parallel-size=-2", "--tensor-parallel-size two", "-tp 0"])
def test_numbers_that_mean_nothing_to_the_server_are_said_too(tmp_path: Path, cli: str) -> None:
    with pytest.raises(DeployError, match=r"--tensor-parallel-size is .*; write a whole number, 1 or more"):
        containers(vllm(tmp_path, cli_params=cli), host("nvidia", 4))


def test_ports_begin_at_the_address_that_the_config_names(tmp_path: Path) -> None:
    given = vllm(tmp_path, model_copies="max").model_copy(update={"ep_name": "http://localhost:9000/v1/completions"})
    assert [(one.host_port, one.container_port) for one in containers(given, host("nvidia", 3))] == [
        (9000, 8000), (9001, 8000), (9002, 8000),
    ]  # fmt: skip


def test_without_an_address_they_begin_where_the_server_listens(tmp_path: Path) -> None:
    assert [one.host_port for one in containers(vllm(tmp_path, model_copies=2), host("nvidia", 2))] == [8000, 8001]


def test_ports_that_were_claimed_are_taken_as_they_are(tmp_path: Path) -> None:
    given = vllm(tmp_path, model_copies=2)
    assert [one.host_port for one in containers(given, host("nvidia", 2), ports=[51234, 40001])] == [51234, 40001]
    for wrong in ([8000], [8000, 8000]):
        with pytest.raises(DeployError, match="2 copies need 2 distinct ports, not 8000"):
            containers(given, host("nvidia", 2), ports=wrong)


def test_a_port_beyond_the_last_is_no_port(tmp_path: Path) -> None:
    given = vllm(tmp_path, model_copies=2).model_copy(update={"ep_name": "http://localhost:65535/v1/completions"})
    with pytest.raises(DeployError, match="port 65536 for copy 2 is above 65535"):
        containers(given, host("nvidia", 2))


def test_copies_on_a_cpu_divide_its_cores(tmp_path: Path) -> None:
    spec = {"container_type": "llama_server", "model_copies": 3}
    made = containers(experiment(tmp_path, model_id="org/m", inference_spec=spec), host(), cores=8)
    assert [one.command[one.command.index("--threads") + 1] for one in made] == ["2", "2", "2"]
    assert {one.devices.kind for one in made} == {"none"}
    with pytest.raises(DeployError, match="model_copies 3 exceeds the 2 cores"):
        containers(experiment(tmp_path, model_id="org/m", inference_spec=spec), host(), cores=2)


@pytest.mark.parametrize("copies", ["max", "auto", 1])
def test_one_copy_on_a_cpu_has_all_of_it(tmp_path: Path, copies: Any) -> None:
    spec = {"container_type": "llama_server", "model_copies": copies}
    (only,) = containers(experiment(tmp_path, model_id="org/m", inference_spec=spec), host(), cores=8)
    assert "--threads" not in only.command


def test_what_is_left_over_is_said(tmp_path: Path) -> None:
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
def test_auto_says_what_it_leaves_idle(
    tmp_path: Path, kind: str, spec: dict[str, Any], count: int, note: str | None
) -> None:
    given = vllm(tmp_path, **{"container_type": kind, "model_copies": "auto", **spec})
    (only,) = containers(given, host("nvidia", count))
    notes = [found for found in only.notes if "uses" in found]
    assert len(notes) == (note is not None)
    assert all(re.fullmatch(str(note), found) for found in notes)


def test_auto_counts_devices_on_neuron(tmp_path: Path) -> None:
    spec = {"container_type": "huggingface", "model_copies": "auto", "tp_degree": 4}
    (only,) = containers(experiment(tmp_path, model_id="org/m", inference_spec=spec), host("neuron", 12, 2))
    assert only.notes[-1].startswith("uses 2 of the 12 Neuron devices")
    assert only.notes[-1].endswith("for 6 copies")


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ([0, 4], "copy 1 would get Neuron devices 0, 4: a container's devices must be contiguous"),
        ([0, 1, 4, 6], "copy 2 would get Neuron devices 4, 6"),
    ],
)
def test_neuron_devices_of_a_copy_have_no_gaps(tmp_path: Path, devices: list[int], said: str) -> None:
    spec = {"container_type": "djl", "model_copies": "max", "tp_degree": 4}
    given = experiment(tmp_path, model_id="org/m", inference_spec=spec)
    with pytest.raises(DeployError, match=said) as raised:
        containers(given, Host(Devices("neuron", tuple(devices)), 2, "config"))
    assert "\n" not in str(raised.value)


def test_neuron_devices_may_have_gaps_between_copies(tmp_path: Path) -> None:
    spec = {"container_type": "djl", "model_copies": "max", "tp_degree": 4}
    given = experiment(tmp_path, model_id="org/m", inference_spec=spec)
    made = containers(given, Host(Devices("neuron", (5, 4, 0, 1)), 2, "config"))
    assert [one.devices.indices for one in made] == [(4, 5), (0, 1)]
