"""AWS Neuron devices, sampled through `neuron-monitor`, which writes a JSON report on a line per period."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fmbench_lib.monitors.samples import Reading, reading_of
from fmbench_lib.monitors.source import SourceUnavailableError

PROGRAM = "neuron-monitor"
_DEFAULT_PATH = "/opt/aws/neuron/bin/neuron-monitor"


class Neuron:
    """The NeuronCores of this machine: those of the given devices, else all. `read` waits for the next report."""

    name, paced = "neuron", False

    def __init__(self, interval: float, *, requested: bool = False, devices: Sequence[int] | None = None) -> None:
        self._period = max(interval, 1.0)
        self._requested, self._devices = requested, devices
        self._process: subprocess.Popen[bytes] | None = None
        self._config: str | None = None

    def read(self) -> list[Reading]:
        """The values of the next report. Raises SourceUnavailableError without the program, or when it has ended."""
        process = self._process or self._begin()
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SourceUnavailableError(f"{PROGRAM} ended with exit code {process.wait()}")
        return readings_of(json.loads(line), self._devices)

    def close(self) -> None:
        """End the program and delete its configuration."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        if self._config is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._config)

    def _begin(self) -> subprocess.Popen[bytes]:
        program = shutil.which(PROGRAM) or shutil.which(_DEFAULT_PATH)
        if program is None:
            raise SourceUnavailableError(f"there is no {PROGRAM} on this machine", expected=not self._requested)
        with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="fmbench-neuron-", delete=False) as file:
            json.dump(configuration(self._period), file)
        self._config = file.name
        # It ends by itself once its output is no longer read, so it outlives this process by one period at most.
        self._process = subprocess.Popen(
            [program, "-c", file.name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return self._process


def configuration(period_s: float) -> dict[str, Any]:
    """The configuration of `neuron-monitor`: what it reports, every `period_s` seconds."""
    groups = ("neuroncore_counters", "memory_used", "execution_stats")
    return {
        "period": f"{period_s:g}s",
        "neuron_runtimes": [{"tag_filter": ".*", "metrics": [{"type": name} for name in groups]}],
        "system_metrics": [],
    }


def readings_of(report: Mapping[str, Any], devices: Sequence[int] | None = None) -> list[Reading]:
    """The values of a report, summed over the processes that use the devices; a group with an error is left out.

    With `devices` only the processes that use these count, or all if the report does not say which cores a device has.
    """
    cores: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    readings: list[Reading] = []
    for runtime in _runtimes_on(devices, report):
        groups = runtime.get("report") or {}
        for core, used in _cores(runtime).items():
            cores[core] += used.get("neuroncore_utilization", 0.0)
        used_bytes = _group(groups, "memory_used").get("neuron_runtime_used_bytes") or {}
        memory.update({name: used_bytes[name] for name in ("host", "neuron_device") if name in used_bytes})
        stats = _group(groups, "execution_stats")
        runs.update(_executions(stats))
        readings += _latencies(stats, {"pid": str(runtime.get("pid"))})
    readings += [
        reading_of("neuron", "neuroncore_utilization", "gauge", "percent", share, {"core": core})
        for core, share in cores.items()
    ]
    names = {"host": "neuron_host_memory_used", "neuron_device": "neuron_device_memory_used"}
    readings += [reading_of("neuron", names[where], "gauge", "bytes", float(used)) for where, used in memory.items()]
    return readings + [reading_of("neuron", name, "gauge", "executions/s", rate) for name, rate in runs.items()]


def _runtimes_on(devices: Sequence[int] | None, report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The processes of a report that use any of these devices. Cores are numbered consecutively over all devices."""
    runtimes: list[Mapping[str, Any]] = report.get("neuron_runtime_data") or []
    hardware = report.get("neuron_hardware_info") or {}
    per_device = hardware.get("neuroncore_per_device_count")
    if devices is None or not per_device or hardware.get("logical_neuroncore_config", 1) != 1:
        return runtimes
    return [runtime for runtime in runtimes if any(int(core) // per_device in devices for core in _cores(runtime))]


def _cores(runtime: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cores that a process uses, and how much."""
    used: Mapping[str, Any] = _group(runtime.get("report") or {}, "neuroncore_counters").get("neuroncores_in_use") or {}
    return used


def _group(groups: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    group: Mapping[str, Any] = groups.get(name) or {}
    return {} if group.get("error") else group


def _executions(stats: Mapping[str, Any]) -> dict[str, float]:
    """Model executions per second, and those that failed."""
    period, done = stats.get("period"), stats.get("execution_summary") or {}
    if not period or "completed" not in done:
        return {}
    failed = sum((stats.get("error_summary") or {}).values())
    return {"neuron_executions": done["completed"] / period, "neuron_execution_errors": failed / period}


def _latencies(stats: Mapping[str, Any], labels: dict[str, str]) -> Iterator[Reading]:
    latency = (stats.get("latency_stats") or {}).get("total_latency") or {}
    for quantile in ("p50", "p99"):
        if latency.get(quantile) is not None:
            known = {**labels, "quantile": quantile}
            yield reading_of("neuron", "neuron_execution_latency", "gauge", "s", latency[quantile], known)
