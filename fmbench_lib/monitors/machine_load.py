"""This machine, sampled through psutil: CPU, memory, disks, network, and the processes of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import psutil

from fmbench_lib.monitors.samples import Reading, reading_of

# Over shorter intervals CPU shares mostly show the resolution of the kernel's clock.
_SHORTEST_S = 0.2
_MOST_CORES = 64
_SAME_START_S = 1.5


class Host:
    """The machine as a whole. `machine` says whose it is: `endpoint`, or `client` if only the client runs on it."""

    name, paced = "host", True

    def __init__(self, machine: str) -> None:
        self._labels = {"machine": machine}
        self._cpu = _Shares(_cpu_times())

    def read(self) -> list[Reading]:
        """CPU since the read before, memory in use, and the counters of disks and network."""
        return [*self._cpu_readings(), *self._memory(), *self._traffic()]

    def close(self) -> None:
        """Nothing to release."""

    def _cpu_readings(self) -> Iterator[Reading]:
        shares = self._cpu.since_last(_cpu_times())
        if shares is None:
            return
        yield reading_of("host", "cpu_utilization", "gauge", "percent", sum(shares) / len(shares), self._labels)
        yield reading_of("host", "cpu_busiest_core", "gauge", "percent", max(shares), self._labels)
        if len(shares) <= _MOST_CORES:
            for core, share in enumerate(shares):
                labels = {**self._labels, "core": str(core)}
                yield reading_of("host", "cpu_core_utilization", "gauge", "percent", share, labels)

    def _memory(self) -> Iterator[Reading]:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        used = memory.total - memory.available
        yield reading_of("host", "memory_used", "gauge", "bytes", used, self._labels)
        yield reading_of("host", "memory_utilization", "gauge", "percent", 100 * used / memory.total, self._labels)
        yield reading_of("host", "swap_used", "gauge", "bytes", swap.used, self._labels)

    def _traffic(self) -> Iterator[Reading]:
        disk, network = psutil.disk_io_counters(), psutil.net_io_counters()
        if disk is not None:
            yield reading_of("host", "disk_read", "counter", "bytes", disk.read_bytes, self._labels)
            yield reading_of("host", "disk_written", "counter", "bytes", disk.write_bytes, self._labels)
        if network is not None:
            yield reading_of("host", "network_received", "counter", "bytes", network.bytes_recv, self._labels)
            yield reading_of("host", "network_sent", "counter", "bytes", network.bytes_sent, self._labels)


class _Shares:
    """The share of time that each core was busy between two calls, in percent."""

    def __init__(self, times: list[tuple[float, float]]) -> None:
        self._times, self._at = times, time.monotonic()

    def since_last(self, times: list[tuple[float, float]]) -> list[float] | None:
        """The shares (percent) since the last call; None if that is too short ago or the number of cores changed."""
        now = time.monotonic()
        if now - self._at < _SHORTEST_S or len(times) != len(self._times):
            if len(times) != len(self._times):  # a core came or went
                self._times, self._at = times, now
            return None
        shares = []
        for (total, idle), (was_total, was_idle) in zip(times, self._times, strict=True):
            passed = total - was_total
            shares.append(100 * min(max(1 - (idle - was_idle) / passed, 0.0), 1.0) if passed > 0 else 0.0)
        self._times, self._at = times, now
        return shares


def _cpu_times() -> list[tuple[float, float]]:
    """Total and idle seconds of each core; the time of guest systems is already part of the user time."""
    cores = []
    for times in psutil.cpu_times(percpu=True):
        known = times._asdict()
        total = sum(known.values()) - known.get("guest", 0.0) - known.get("guest_nice", 0.0)
        cores.append((total, known["idle"] + known.get("iowait", 0.0)))
    return cores


class Processes:
    """A set of processes: the servers of an endpoint, or this monitor."""

    paced = True

    def __init__(self, source: str, marks: Sequence[Mapping[str, Any]]) -> None:
        """`marks` identify the processes: `pid`, start after boot (`age`, seconds), and labels."""
        self.name = source
        self._marks = marks
        self._last: dict[int, tuple[float, float]] = {}

    def read(self) -> list[Reading]:
        """CPU since the read before and memory of each process that is still alive."""
        readings: list[Reading] = []
        for mark in self._marks:
            try:
                readings += self._process(mark)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # a dead endpoint is detected elsewhere
        return readings

    def close(self) -> None:
        """Nothing to release."""

    def _process(self, mark: Mapping[str, Any]) -> Iterator[Reading]:
        process, labels = psutil.Process(mark["pid"]), dict(mark["labels"])
        age = mark.get("age")
        if age is not None and abs(process.create_time() - psutil.boot_time() - age) > _SAME_START_S:
            return  # another process that reuses the id
        with process.oneshot():
            times, memory = process.cpu_times(), process.memory_info()
        used, now = times.user + times.system, time.monotonic()
        last = self._last.get(process.pid)
        if last is None:
            self._last[process.pid] = (used, now)
        elif now - last[1] >= _SHORTEST_S:
            self._last[process.pid] = (used, now)
            share = 100 * (used - last[0]) / (now - last[1])
            yield reading_of(self.name, "process_cpu_utilization", "gauge", "percent", share, labels)
        yield reading_of(self.name, "process_memory_used", "gauge", "bytes", memory.rss, labels)
