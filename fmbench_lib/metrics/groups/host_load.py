"""What else the machine that fmbench ran on was doing during a level, as the monitor sampled it; copied from its facts.

Only the cores of the server's processes tell others' from its own: where they are not known, neither are the others.
"""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import Row, number, or_nan, text

_OTHERS = "cores used by neither fmbench nor the endpoint, as far as their processes are known"
HOST_LOAD = (
    Column("host_machine", "", "text", "whose machine that was: `endpoint`, or `client` if only the client ran on it"),
    Column("host_cores", "", "whole number", "cores of the machine"),
    Column("host_cores_busy", "cores", "number", "cores in use in the window, whoever used them"),
    Column("host_cores_others", "cores", "number", f"{_OTHERS}: mean over the window"),
    Column("host_cores_others_p95", "cores", "number", f"{_OTHERS}: p95 of the samples"),
    Column("host_cpu_waiting", "share", "number", "time in which a process waited for a core (Linux's CPU pressure)"),
    Column("host_cpu_stolen", "share", "number", "time of its cores that a hypervisor gave to other machines"),
    Column("host_cpu_throttled", "share", "number", "time in which a CPU limit (cgroup) kept processes from running"),
)


def host_load(sample: LevelSample) -> Cells:
    """The columns `HOST_LOAD`; empty where nothing was sampled."""
    return host_cells(sample.facts)


def host_cells(facts: Row) -> Cells:
    """The same from the facts of a level."""
    return {
        column.name: text(facts, column.name) if column.kind == "text" else or_nan(number(facts, column.name))
        for column in HOST_LOAD
    }
