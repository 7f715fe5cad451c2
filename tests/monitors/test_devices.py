"""This machine, NVIDIA's GPUs and Neuron devices, from what their own tools tell."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from fmbench_lib.monitors.machine_load import Host, Processes
from fmbench_lib.monitors.neuron_devices import Neuron, configuration, readings_of
from fmbench_lib.monitors.nvidia import Nvidia
from fmbench_lib.monitors.samples import Reading
from fmbench_lib.monitors.source import SourceUnavailableError

DATA = Path(__file__).parent / "data"


def by_name(readings: list[Reading], metric: str) -> dict[str, float]:
    return {
        " ".join(value for _, value in one.series.labels): one.value
        for one in readings
        if one.series.metric == metric and isinstance(one.value, float | int)
    }


# -- this machine ----------------------------------------------------------------------------------------------------


def test_the_host_tells_its_memory_and_traffic_and_whose_machine_it_is() -> None:
    readings = Host("client").read()
    used = by_name(readings, "memory_used")["client"]
    assert 0 < used < psutil.virtual_memory().total
    assert {one.series.unit for one in readings} <= {"bytes", "percent"}
    assert {one.series.kind for one in readings if one.series.metric.startswith("network")} == {"counter"}


def test_cpu_shares_are_between_nothing_and_all(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 1.05])
    monkeypatch.setattr("fmbench_lib.monitors.machine_load.time.monotonic", lambda: next(moments))
    looks = iter([[(100.0, 50.0), (100.0, 90.0)], [(101.0, 50.25), (101.0, 91.0)], [(101.1, 50.3), (101.1, 91.0)]])
    monkeypatch.setattr("fmbench_lib.monitors.machine_load._cpu_times", lambda: next(looks))
    host = Host("endpoint")
    readings = host.read()
    assert by_name(readings, "cpu_utilization")["endpoint"] == pytest.approx(37.5)
    assert by_name(readings, "cpu_busiest_core")["endpoint"] == pytest.approx(75)
    assert by_name(readings, "cpu_core_utilization") == pytest.approx({"0 endpoint": 75, "1 endpoint": 0})
    assert by_name(host.read(), "cpu_utilization") == {}, "too short a time to tell"


def test_a_process_is_known_by_its_start_and_not_by_its_number_alone() -> None:
    own = psutil.Process()
    age = own.create_time() - psutil.boot_time()
    assert by_name(Processes("server", [{"pid": own.pid, "age": age, "labels": {}}]).read(), "process_memory_used")
    assert Processes("server", [{"pid": own.pid, "age": age + 500, "labels": {}}]).read() == []
    assert Processes("server", [{"pid": 2**22 + 1, "age": age, "labels": {}}]).read() == []


# -- NVIDIA ----------------------------------------------------------------------------------------------------------


def nvml(gpus: int = 2) -> ModuleType:
    """NVML as two A10G tell of themselves; the second one is too hot to say how warm."""

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):  # noqa: N801, N818 (its name)
        pass

    def temperature(gpu: int, sensor: int) -> int:
        if gpu == 1:
            raise NVMLError_NotSupported("Not Supported")
        return 41

    def energy(gpu: int) -> int:
        if gpu == 1:
            raise NVMLError_NotSupported("Not Supported")
        return 987654321

    module = ModuleType("pynvml")
    answers = {
        "NVMLError": NVMLError,
        "NVMLError_NotSupported": NVMLError_NotSupported,
        "NVML_TEMPERATURE_GPU": 0,
        "NVML_CLOCK_SM": 1,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: gpus,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda gpu: b"NVIDIA A10G" if gpu else "NVIDIA A10G",
        "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=97 - gpu, memory=71),
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(total=24146608128, free=2604859392, used=21541748736),
        "nvmlDeviceGetPowerUsage": lambda gpu: 213456,
        "nvmlDeviceGetTotalEnergyConsumption": energy,
        "nvmlDeviceGetTemperature": temperature,
        "nvmlDeviceGetClockInfo": lambda gpu, kind: 1710,
    }
    module.__dict__.update(answers)
    return module


def test_gpus_in_true_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    readings = Nvidia().read()
    assert by_name(readings, "gpu_utilization") == {"0 NVIDIA A10G": 97, "1 NVIDIA A10G": 96}
    assert by_name(readings, "gpu_memory_used")["0 NVIDIA A10G"] == 21541748736
    assert by_name(readings, "gpu_power")["0 NVIDIA A10G"] == 213.456
    assert by_name(readings, "gpu_clock")["0 NVIDIA A10G"] == 1.71e9
    assert by_name(readings, "gpu_temperature") == {"0 NVIDIA A10G": 41}, "what a GPU does not tell is left out"
    assert {one.series.unit for one in readings} == {"percent", "bytes", "W", "J", "celsius", "Hz"}


def test_the_energy_of_gpus_that_count_it_says_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """987,654,321 mJ since the driver was loaded; the second GPU is of before Volta and counts none."""
    monkeypatch.setitem(sys.modules, "pynvml", nvml())
    [energy] = [one for one in Nvidia(machine={"machine": "endpoint"}).read() if one.series.metric == "gpu_energy"]
    assert (energy.value, energy.series.kind) == (987654.321, "counter")
    assert (energy.series.label("gpu"), energy.series.label("machine")) == ("0", "endpoint")


def test_only_the_gpus_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(gpus=8))
    readings = Nvidia(indices=[3, 5]).read()
    assert by_name(readings, "gpu_utilization") == {"3 NVIDIA A10G": 94, "5 NVIDIA A10G": 92}


@pytest.mark.parametrize("requested", [True, False])
def test_no_gpu_is_worth_a_word_only_to_who_asked(monkeypatch: pytest.MonkeyPatch, requested: bool) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", nvml(gpus=0))
    with pytest.raises(SourceUnavailableError) as raised:
        Nvidia(requested=requested).read()
    assert raised.value.expected is not requested


def test_the_real_functions_have_these_names() -> None:
    import pynvml

    assert [name for name in nvml().__dict__ if not name.startswith("__") and not hasattr(pynvml, name)] == []


# -- Neuron ----------------------------------------------------------------------------------------------------------


def test_a_report_of_neuron_monitor() -> None:
    readings = readings_of(json.loads((DATA / "neuron_monitor.json").read_text()))
    cores = by_name(readings, "neuroncore_utilization")
    assert cores == pytest.approx({"0": 2.926414908153532, "1": 3.0803098003189486})
    assert by_name(readings, "neuron_device_memory_used") == {"": 63105088}, "a group with an error is left out"
    assert by_name(readings, "neuron_executions") == {"": pytest.approx(20.4)}
    assert by_name(readings, "neuron_execution_errors") == {"": pytest.approx(0.2)}
    assert by_name(readings, "neuron_execution_latency")["20843 p50"] == 0.003509521484375


def two_processes(**hardware: int) -> dict[str, Any]:
    """A report of one process on cores 0 and 1, and another on cores 4 and 5."""

    def of(pid: int, cores: dict[str, float], memory: int) -> dict[str, Any]:
        counters = {"neuroncores_in_use": {core: {"neuroncore_utilization": used} for core, used in cores.items()}}
        held = {"neuron_runtime_used_bytes": {"neuron_device": memory}}
        return {"pid": pid, "report": {"neuroncore_counters": counters, "memory_used": held}}

    processes = [of(7, {"0": 90.0, "1": 80.0}, 100), of(8, {"4": 10.0, "5": 20.0}, 1000)]
    return {"neuron_runtime_data": processes, "neuron_hardware_info": hardware}


def test_only_the_neuron_devices_that_are_named() -> None:
    readings = readings_of(two_processes(neuroncore_per_device_count=2), [1, 2])
    assert by_name(readings, "neuroncore_utilization") == {"4": 10, "5": 20}
    assert by_name(readings, "neuron_device_memory_used") == {"": 1000}


@pytest.mark.parametrize("hardware", [{}, {"neuroncore_per_device_count": 8, "logical_neuroncore_config": 2}])
def test_all_neuron_devices_where_nobody_can_tell_whose_a_core_is(hardware: dict[str, int]) -> None:
    assert len(by_name(readings_of(two_processes(**hardware), [2]), "neuroncore_utilization")) == 4


def test_a_report_without_runtimes_has_no_zeros() -> None:
    assert readings_of({"neuron_runtime_data": None, "system_data": {}}) == []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `neuron-monitor` that reports once and ends."""
    path = tmp_path / "neuron-monitor"
    path.write_text(f"#!/bin/sh\ncp \"$2\" '{tmp_path / 'asked.json'}'\ncat '{DATA / 'neuron_monitor.json'}'\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_the_program_is_asked_for_what_is_read_and_its_end_is_told(program: Path) -> None:
    neuron = Neuron(0.5)
    assert len(by_name(neuron.read(), "neuroncore_utilization")) == 2
    assert json.loads((program / "asked.json").read_text()) == configuration(1.0)
    with pytest.raises(SourceUnavailableError, match="exit code 0") as raised:
        neuron.read()
    assert raised.value.expected is False
    config = Path(str(neuron._config))
    neuron.close()
    assert not config.exists()


def test_no_program_is_no_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceUnavailableError, match="no neuron-monitor") as raised:
        Neuron(1.0).read()
    assert raised.value.expected is True
