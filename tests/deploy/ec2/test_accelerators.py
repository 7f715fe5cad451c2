"""A machine's accelerators: reported by its drivers, set in the config, or known from its instance type."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.deploy.ec2 import accelerators
from fmbench_lib.deploy.ec2.accelerators import Host, cores_in_neuron_ls, find_host, neuron_host, planned_host
from fmbench_lib.deploy.ec2.container import Devices
from fmbench_lib.deploy.ec2.stacks.stack_containers import containers_of
from fmbench_lib.deploy.instance_types import accelerators_of
from fmbench_lib.errors import DeployError
from tests.deploy.on_ec2 import FOLDER, containers, host, make_experiment


class FakeNvml(types.ModuleType):
    """NVIDIA's library, with a number of GPUs, or without a driver."""

    class NVMLError(Exception):
        pass

    def __init__(self, count: int | None) -> None:
        super().__init__("pynvml")
        self.count, self.open = count, 0

    def nvmlInit(self) -> None:  # noqa: N802 - the library's spelling
        if self.count is None:
            raise self.NVMLError("Driver Not Loaded")
        self.open += 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        assert self.count is not None
        return self.count

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int | None) -> FakeNvml:
    placed = FakeNvml(count)
    monkeypatch.setitem(sys.modules, "pynvml", placed)
    monkeypatch.setattr(accelerators, "neuron_host", lambda: None)
    return placed


def stack_experiment(folder: Path, **keys: Any) -> Any:
    spec = {"container_type": "vllm_gpu", **keys.pop("inference_spec", {})}
    return make_experiment(folder, model_id="org/m", inference_spec=spec, **keys)


def test_gpus_are_those_that_the_driver_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = with_gpus(monkeypatch, 4)
    assert find_host(stack_experiment(tmp_path)) == Host(Devices("nvidia", (0, 1, 2, 3)), 1, "nvml")
    assert nvml.open == 0, "the library is closed again"


@pytest.mark.parametrize("count", [None, 0])
def test_a_machine_without_accelerators_is_a_cpu_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int | None
) -> None:
    with_gpus(monkeypatch, count)
    assert (
        find_host(stack_experiment(tmp_path)) == planned_host(stack_experiment(tmp_path)) == Host(Devices(), 1, "none")
    )


def test_the_config_selects_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 4)
    assert find_host(stack_experiment(tmp_path, ec2={"devices": [1, 3]})).devices == Devices("nvidia", (1, 3))
    with pytest.raises(DeployError, match=r"ec2\.devices names 4, 7; the host has 0, 1, 2, 3"):
        find_host(stack_experiment(tmp_path, ec2={"devices": [1, 4, 7]}))
    for wrong, message in (([], "ec2.devices is empty"), ([1, 1], "lists a device twice")):
        with pytest.raises(DeployError, match=message):
            find_host(stack_experiment(tmp_path, ec2={"devices": wrong}))


def test_the_config_can_describe_devices_that_no_driver_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpus(monkeypatch, None)
    experiment = stack_experiment(tmp_path, ec2={"accelerators": "nvidia", "devices": [2, 3]})
    assert find_host(experiment) == Host(Devices("nvidia", (2, 3)), 1, "config")
    assert find_host(stack_experiment(tmp_path, ec2={"accelerators": "neuron", "devices": [0]})).cores_per_device == 2


def test_accelerators_can_be_disabled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 4)
    experiment = stack_experiment(
        tmp_path, ec2={"accelerators": "none"}, inference_spec={"container_type": "llama_server"}
    )
    (only,) = containers_of(experiment, find_host(experiment), run_id="run", ports=None, folder=FOLDER, folders=())
    assert only.devices == Devices()
    assert only.image.endswith("llama.cpp:server")


def test_a_cpu_server_leaves_gpus_unused_with_a_note(tmp_path: Path) -> None:
    (only,) = containers(stack_experiment(tmp_path, inference_spec={"container_type": "vllm"}), host("nvidia", 2))
    assert only.devices == Devices()
    assert "2 GPUs of the host not used: container_type vllm runs on the CPU" in only.notes


def test_a_missing_driver_does_not_make_a_cpu_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model meant for GPUs is not silently measured on a CPU, at the GPUs' price."""
    with_gpus(monkeypatch, None)
    experiment = stack_experiment(
        tmp_path, instance_type="g5.12xlarge", inference_spec={"container_type": "llama_server"}
    )
    with pytest.raises(DeployError, match=r"g5\.12xlarge has 4 GPUs, but this machine has none"):
        containers(experiment, find_host(experiment))


def test_another_machine_is_planned_by_its_instance_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, None)
    assert planned_host(stack_experiment(tmp_path, instance_type="trn1.32xlarge")) == Host(
        Devices("neuron", tuple(range(16))), 2, "instance type"
    )
    assert planned_host(stack_experiment(tmp_path, instance_type="m7i.12xlarge")).devices == Devices()
    only_two = stack_experiment(tmp_path, instance_type="g5.12xlarge", ec2={"devices": [0, 1]})
    assert planned_host(only_two).devices == Devices("nvidia", (0, 1))


def test_detected_devices_take_precedence_over_the_instance_type_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpus(monkeypatch, 1)
    experiment = stack_experiment(tmp_path, instance_type="p5.48xlarge")
    (only,) = containers(experiment)
    assert only.devices.indices == (0,)
    assert "this machine has 1 GPU, p5.48xlarge 8 GPUs" in only.notes


@pytest.mark.parametrize(
    ("instance_type", "known"),
    [
        ("g5.xlarge", ("nvidia", 1, 1)),
        ("ml.g5.12xlarge", ("nvidia", 4, 1)),
        ("g6e.24xlarge", ("nvidia", 4, 1)),
        ("g6e.48xlarge", ("nvidia", 8, 1)),
        ("p4de.24xlarge", ("nvidia", 8, 1)),
        ("p5.48xlarge", ("nvidia", 8, 1)),
        ("inf2.48xlarge", ("neuron", 12, 2)),
        ("trn1.2xlarge", ("neuron", 1, 2)),
        ("m7i.12xlarge", None),
        ("g5.7xlarge", None),
        ("g99.xlarge", None),
        ("local-cpu", None),
        (None, None),
    ],
)
def test_instance_types(instance_type: str | None, known: object) -> None:
    assert accelerators_of(instance_type) == known


def test_neuron_devices_are_those_that_the_driver_reports(tmp_path: Path) -> None:
    sys_folder, dev = tmp_path / "sys", tmp_path / "dev"
    dev.mkdir()
    assert neuron_host(sys_folder, dev) is None
    for index in (0, 1, 10, 2):
        (sys_folder / f"neuron{index}").mkdir(parents=True)
        (sys_folder / f"neuron{index}" / "core_count").write_text("2\n")
    (dev / "neuron_something_else").touch()
    assert neuron_host(sys_folder, dev) == Host(Devices("neuron", (0, 1, 2, 10)), 2, "neuron")


def test_neuron_ls_reports_cores_per_device() -> None:
    listed = '[{"neuron_device": 0, "bdf": "00:1e.0", "nc_count": 4, "neuron_processes": []}]'
    assert cores_in_neuron_ls(listed) == 4
    assert [cores_in_neuron_ls(text) for text in ("", "[]", "{}", '[{"nc_count": "two"}]')] == [None] * 4
