"""Who uses the cores of this machine: everybody together, fmbench, and the endpoint's server.

All are counters read at one moment, so that over any interval their difference is what others used.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from fmbench_lib.monitors.samples import Reading, reading_of

_CHILDREN_EVERY_S = 5.0
_SAME_START_S = 1.5
_FORWARDERS = frozenset({"docker-proxy", "kubectl", "rootlesskit", "socat", "ssh", "sshd"})
"""Programs that listen in place of a server whose own processes are elsewhere."""


class CpuUse:
    """The counters of the cores. `machine` says whose machine it is, as in `Host`.

    `client` is the process that measures, without its load workers, which count their own time. The servers are those
    of `marks`, or else the processes that listen on `ports`; without either, or where one is not found, what they use
    is not reported.
    """

    name, paced = "host", True

    def __init__(self, machine: str, client: int, marks: Sequence[Mapping[str, Any]], ports: Sequence[int]) -> None:
        self._labels = {"machine": machine, "cores": str(psutil.cpu_count() or 1)}
        self._client = client
        self._marks, self._ports = marks, ports
        self._servers: list[psutil.Process] = []
        self._found_at: float | None = None

    def read(self) -> list[Reading]:
        """The counters now; without those that this machine does not have."""
        self._find_servers()
        known = dict(self._machine())
        known["cpu_client"] = _used(psutil.Process(self._client)) + _used(psutil.Process())
        if self._servers:
            known["cpu_server"] = sum(_used(process, reaped=True) for process in self._servers)
        kernel = {"cpu_waiting": waiting_seconds(), "cpu_throttled": throttled_seconds()}
        readings = [reading_of("host", name, "counter", "core-seconds", known[name], self._labels) for name in known]
        return readings + [
            reading_of("host", name, "counter", "s", value, self._labels)
            for name, value in kernel.items()
            if value is not None
        ]

    def close(self) -> None:
        """Nothing to release."""

    def _machine(self) -> Iterator[tuple[str, float]]:
        """What programs used, without what the kernel did for devices, and what a hypervisor withheld."""
        times = psutil.cpu_times()._asdict()
        yield "cpu_busy", times["user"] + times.get("nice", 0.0) + times["system"]
        if "steal" in times:
            yield "cpu_stolen", times["steal"]

    def _find_servers(self) -> None:
        """Look for the servers' processes and their children, from time to time."""
        now = time.monotonic()
        if self._found_at is not None and now - self._found_at < _CHILDREN_EVERY_S:
            return
        self._found_at = now
        try:
            roots = [_marked(mark) for mark in self._marks] or [self._listening(port) for port in self._ports]
            together = {each.pid: each for root in roots for each in (root, *root.children(recursive=True))}
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            together = {}
        self._servers = list(together.values())

    def _listening(self, port: int) -> psutil.Process:
        """The process that listens on a port. Raises NoSuchProcess where that is not known, or is a forwarder's."""
        for connection in psutil.net_connections("tcp"):
            here = connection.laddr
            if connection.status == psutil.CONN_LISTEN and here and here.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                if process.name() not in _FORWARDERS and process.ppid() != self._client:
                    return process
        raise psutil.NoSuchProcess(0)


def waiting_seconds(file: Path = Path("/proc/pressure/cpu")) -> float | None:
    """For how long at least one process has waited for a core since the machine's start; None where nothing says so."""
    found = re.search(r"^some .*total=(\d+)", _text(file), re.MULTILINE)
    return int(found[1]) / 1e6 if found else None


def throttled_seconds(groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """For how long the CPU limit of this process's cgroup has kept it from running; None where nothing says so."""
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "cpu", "cpu,cpuacct", "cpuacct,cpu"):
            continue
        for folder in (groups / controllers / path.lstrip("/"), groups / controllers):
            known = dict(
                re.findall(r"^(throttled_usec|throttled_time) (\d+)", _text(folder / "cpu.stat"), re.MULTILINE)
            )
            if "throttled_usec" in known:
                return int(known["throttled_usec"]) / 1e6
            if "throttled_time" in known:
                return int(known["throttled_time"]) / 1e9
    return None


def _marked(mark: Mapping[str, Any]) -> psutil.Process:
    process, age = psutil.Process(mark["pid"]), mark.get("age")
    if age is not None and abs(process.create_time() - psutil.boot_time() - age) > _SAME_START_S:
        raise psutil.NoSuchProcess(mark["pid"])  # another process that reuses the id
    return process


def _used(process: psutil.Process, *, reaped: bool = False) -> float:
    """The CPU time of a process, with `reaped` also that of its children that have ended; 0 once it is gone."""
    try:
        times = process.cpu_times()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0) if reaped else 0.0
    return float(times.user + times.system + ended)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
