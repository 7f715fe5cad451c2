"""Facts about this machine, as a run records them."""

from __future__ import annotations

import os
import platform as host_platform
import sys
from pathlib import Path
from typing import TypedDict


class HostFacts(TypedDict):
    """The measuring machine. `machine` is its architecture, `cores` those that this process may run on, `memory_gib`
    its memory in GiB, null where the system does not say it, `executable` the name of the interpreter."""

    system: str
    machine: str
    processor: str
    cores: int | None
    memory_gib: float | None
    executable: str


def host_facts() -> HostFacts:
    """System, processor, cores and memory of the measuring machine; nothing that identifies its user or address."""
    memory = None
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{host_platform.system()} {host_platform.release()}",
        "machine": host_platform.machine(),
        "processor": _processor(),
        "cores": cores,
        "memory_gib": memory,
        "executable": Path(sys.executable).name,
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return host_platform.processor()
