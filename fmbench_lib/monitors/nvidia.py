"""NVIDIA GPUs, sampled through NVML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fmbench_lib.monitors.samples import Reading, reading_of
from fmbench_lib.monitors.source import SourceUnavailableError


class Nvidia:
    """The GPUs of this machine: those with the given indices, else all. What a GPU does not report is left out."""

    name, paced = "nvidia", True

    def __init__(
        self, *, requested: bool = False, indices: Sequence[int] | None = None, machine: Mapping[str, str] | None = None
    ) -> None:
        """`requested`: the config asks for this source, so its absence is worth a note. `machine`: labels of their
        energy, which say whose GPUs they are."""
        self._requested, self._indices, self._machine = requested, indices, dict(machine or {})
        self._nvml: Any = None
        self._gpus: list[tuple[Any, dict[str, str]]] = []

    def read(self) -> list[Reading]:
        """The current values of each GPU. Raises SourceUnavailableError without NVML or a GPU."""
        nvml = self._nvml or self._begin()
        return [reading for gpu, labels in self._gpus for reading in _readings(nvml, gpu, labels, self._machine)]

    def close(self) -> None:
        """Nothing to release: NVML ends with the process."""

    def _begin(self) -> Any:
        try:
            import pynvml  # type: ignore[import-untyped]
        except ImportError:
            raise SourceUnavailableError(
                "NVML needs nvidia-ml-py: pip install 'fmbench-lib[ec2]'", expected=not self._requested
            ) from None
        try:
            pynvml.nvmlInit()
            available = range(pynvml.nvmlDeviceGetCount())
            for index in available if self._indices is None else self._indices:
                gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
                self._gpus.append((gpu, {"gpu": str(index), "model": _text(pynvml.nvmlDeviceGetName(gpu))}))
        except pynvml.NVMLError as error:
            raise SourceUnavailableError(f"NVML: {error}", expected=not self._requested) from None
        if not self._gpus:
            raise SourceUnavailableError("NVML finds no GPU", expected=not self._requested)
        self._nvml = pynvml
        return pynvml


def _readings(nvml: Any, gpu: Any, labels: dict[str, str], machine: dict[str, str]) -> Iterator[Reading]:
    def value_of(call: Callable[..., Any], *more: Any) -> Any:
        """What NVML returns; None where this GPU does not support the call."""
        try:
            return call(gpu, *more)
        except nvml.NVMLError_NotSupported:
            return None

    busy = value_of(nvml.nvmlDeviceGetUtilizationRates)
    if busy is not None:
        yield reading_of("nvidia", "gpu_utilization", "gauge", "percent", float(busy.gpu), labels)
        yield reading_of("nvidia", "gpu_memory_busy", "gauge", "percent", float(busy.memory), labels)
    memory = value_of(nvml.nvmlDeviceGetMemoryInfo)
    if memory is not None:
        yield reading_of("nvidia", "gpu_memory_used", "gauge", "bytes", float(memory.used), labels)
        yield reading_of("nvidia", "gpu_memory_total", "gauge", "bytes", float(memory.total), labels)
    power = value_of(nvml.nvmlDeviceGetPowerUsage)
    if power is not None:
        yield reading_of("nvidia", "gpu_power", "gauge", "W", power / 1000, labels)
    meter = getattr(nvml, "nvmlDeviceGetTotalEnergyConsumption", None)  # of Volta and newer
    energy = None if meter is None else value_of(meter)
    if energy is not None:  # millijoules since the driver was loaded
        yield reading_of("nvidia", "gpu_energy", "counter", "J", energy / 1000, labels | machine)
    temperature = value_of(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU)
    if temperature is not None:
        yield reading_of("nvidia", "gpu_temperature", "gauge", "celsius", float(temperature), labels)
    clock = value_of(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM)
    if clock is not None:
        yield reading_of("nvidia", "gpu_clock", "gauge", "Hz", clock * 1e6, labels)


def _text(name: str | bytes) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
