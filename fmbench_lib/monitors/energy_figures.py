"""The energy that the endpoint's machine took during a level, by the counters of RAPL and NVML at the level's edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from fmbench_lib.monitors.level_spans import Span
from fmbench_lib.monitors.level_summary import edges_of
from fmbench_lib.monitors.sample_table import Line

ENDPOINT = "endpoint"
_PROCESSORS, _GPUS = "RAPL", "NVML"


class EnergyFigures(TypedDict):
    """The energy of a level, its warm-up and drain included; null where it is not known.

    `energy_joules`: between the readings before and after the level · `energy_s`: the time between these ·
    `energy_source`: whose counters they are, `RAPL: package-0, dram; NVML: GPU 0`.
    """

    energy_joules: float | None
    energy_s: float | None
    energy_source: str | None


_UNKNOWN: EnergyFigures = {"energy_joules": None, "energy_s": None, "energy_source": None}


def energy_figures(
    lines: Sequence[Line], span: Span, earlier: float, later: float, idle_watts: float | None = None
) -> EnergyFigures:
    """The energy of the level `span`; `earlier` and `later` are the end of the level before and the start of the next.

    What the machine takes without load, `idle_watts`, is taken off only where it is given. Unknown where the machine is
    not the endpoint's or not known to be, where a counter has no reading on either side, and where the endpoint has
    accelerators whose energy cannot be read beside processors whose can: a part would look like the whole.
    """
    counters = [line for line in lines if line.series.unit == "J" and line.series.label("machine") == ENDPOINT]
    if not counters or _is_elsewhere(counters, lines) or _lacks_accelerators(lines):
        return _UNKNOWN.copy()
    joules, seconds = 0.0, 0.0
    for series in dict.fromkeys(line.series for line in counters):
        ends = (edges_of(line, span, earlier, later) for line in counters if line.series == series)
        found = next((pair for pair in ends if pair is not None), None)
        if found is None or not found[0].value < found[1].value:
            return _UNKNOWN.copy()
        joules += found[1].value - found[0].value
        seconds = max(seconds, found[1].at - found[0].at)
    if idle_watts is not None and joules <= idle_watts * seconds:
        return _UNKNOWN.copy()
    if idle_watts is not None:
        joules -= idle_watts * seconds
    return {"energy_joules": joules, "energy_s": seconds, "energy_source": _source(counters, idle_watts)}


def _is_elsewhere(counters: Sequence[Line], lines: Sequence[Line]) -> bool:
    """Whether the server may be on another machine: an address here can be a tunnel's; its processes tell."""
    if all(line.series.label("server") == "here" for line in counters):
        return False
    return not any(line.series.metric == "cpu_server" and line.rows for line in lines)


def _lacks_accelerators(lines: Sequence[Line]) -> bool:
    """Whether there are GPUs or Neuron devices at work whose energy is not read."""
    gpus = {line.series.label("gpu") for line in lines if line.series.source == "nvidia"}
    metered = {line.series.label("gpu") for line in lines if line.series.metric == "gpu_energy"}
    return bool(gpus - metered) or any(line.series.source == "neuron" for line in lines)


def _source(counters: Sequence[Line], idle_watts: float | None) -> str:
    domains = [str(line.series.label("domain")) for line in counters if line.series.source == "rapl"]
    gpus = [f"GPU {line.series.label('gpu')}" for line in counters if line.series.metric == "gpu_energy"]
    parts = [(_PROCESSORS, domains), (_GPUS, gpus)]
    said = [f"{name}: {', '.join(dict.fromkeys(of))}" for name, of in parts if of]
    idle = [] if idle_watts is None else [f"less {idle_watts:g} W of idling"]
    return "; ".join([*said, *idle])
