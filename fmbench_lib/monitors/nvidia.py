"""NVIDIA's GPUs, by NVML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fmbench_lib.monitors.samples import Reading, made
from fmbench_lib.monitors.source import NotThereError


class Nvidia:
    """The GPUs of this machine: those of the given indices, else every one. What one does not tell is left out."""

    name, paced = "nvidia", True

    def __init__(self, *, asked_for: bool = False, indices: Sequence[int] | None = None) -> None:
        """`asked_for`: the config names it, so that it is to be said where there is none."""
        self._asked_for, self._indices = asked_for, indices
        self._nvml: Any = None
        self._gpus: list[tuple[Any, dict[str, str]]] = []

    def read(self) -> list[Reading]:
        nvml = self._nvml or self._begin()
        return [reading for gpu, labels in self._gpus for reading in _readings(nvml, gpu, labels)]

    def close(self) -> None:
        """NVML ends with the process."""

    def _begin(self) -> Any:
        try:
            import pynvml  # type: ignore[import-untyped]
        except ImportError:
            raise NotThereError(
                "NVML needs nvidia-ml-py: pip install 'fmbench-lib[ec2]'", expected=not self._asked_for
            ) from None
        try:
            pynvml.nvmlInit()
            there = range(pynvml.nvmlDeviceGetCount())
            for index in there if self._indices is None else self._indices:
                gpu = pynvml.nvmlDeviceGetHandleByIndex(index)
                self._gpus.append((gpu, {"gpu": str(index), "model": _text(pynvml.nvmlDeviceGetName(gpu))}))
        except pynvml.NVMLError as error:
            raise NotThereError(f"NVML: {error}", expected=not self._asked_for) from None
        if not self._gpus:
            raise NotThereError("NVML knows no GPU", expected=not self._asked_for)
        self._nvml = pynvml
        return pynvml


def _readings(nvml: Any, gpu: Any, labels: dict[str, str]) -> Iterator[Reading]:
    def asked(call: Callable[..., Any], *more: Any) -> Any:
        """What NVML answers; None where this GPU does not tell."""
        try:
            return call(gpu, *more)
        except nvml.NVMLError_NotSupported:
            return None

    busy = asked(nvml.nvmlDeviceGetUtilizationRates)
    if busy is not None:
        yield made("nvidia", "gpu_utilization", "gauge", "percent", float(busy.gpu), labels)
        yield made("nvidia", "gpu_memory_busy", "gauge", "percent", float(busy.memory), labels)
    memory = asked(nvml.nvmlDeviceGetMemoryInfo)
    if memory is not None:
        yield made("nvidia", "gpu_memory_used", "gauge", "bytes", float(memory.used), labels)
        yield made("nvidia", "gpu_memory_total", "gauge", "bytes", float(memory.total), labels)
    power = asked(nvml.nvmlDeviceGetPowerUsage)
    if power is not None:
        yield made("nvidia", "gpu_power", "gauge", "W", power / 1000, labels)
    temperature = asked(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU)
    if temperature is not None:
        yield made("nvidia", "gpu_temperature", "gauge", "celsius", float(temperature), labels)
    clock = asked(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM)
    if clock is not None:
        yield made("nvidia", "gpu_clock", "gauge", "Hz", clock * 1e6, labels)


def _text(name: str | bytes) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
