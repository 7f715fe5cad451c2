"""What the machine's cores were doing in the window of a level, from the counters of `cpu_use`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from fmbench_lib.monitors.level_spans import Span
from fmbench_lib.monitors.sample_table import Line, Row

_LEAST_COVERED = 0.5
_SHORTEST_S = 0.05


class HostFigures(TypedDict):
    """Figures of a machine over a window; null for what was not sampled. Cores are means over the time."""

    host_machine: str | None
    host_cores: int | None
    host_cores_busy: float | None
    host_cores_others: float | None
    host_cores_others_p95: float | None
    host_cpu_waiting: float | None
    host_cpu_stolen: float | None
    host_cpu_throttled: float | None


def host_figures(lines: Sequence[Line], span: Span, worker_cores: float | None) -> HostFigures:
    """The figures of a level. `worker_cores` is what its load workers used, None where that is not known."""
    counters: dict[str, list[Row]] = {}
    labels: dict[str, str] = {}
    for line in lines:
        if line.series.source == "host" and line.series.label("cores") is not None:
            counters.setdefault(line.series.metric, []).extend(line.rows)
            labels = dict(line.series.labels)
    means = {name: _mean(rows, span.window) for name, rows in counters.items()}
    cores, machine = int(labels["cores"]) if labels else None, labels.get("machine")
    stolen = means.get("cpu_stolen")
    others = _others(counters, machine, worker_cores)
    return {
        "host_machine": machine,
        "host_cores": cores,
        "host_cores_busy": means.get("cpu_busy"),
        "host_cores_others": _mean(others, span.window),
        "host_cores_others_p95": _p95(others, span.window),
        "host_cpu_waiting": means.get("cpu_waiting"),
        "host_cpu_stolen": None if stolen is None or not cores else stolen / cores,
        "host_cpu_throttled": means.get("cpu_throttled"),
    }


def _others(counters: dict[str, list[Row]], machine: str | None, worker_cores: float | None) -> list[Row]:
    """What others used over each interval: all but the client, its workers, and a server that is here."""
    own = ["cpu_client"] + (["cpu_server"] if machine == "endpoint" else [])
    if worker_cores is None or any(name not in counters for name in own):
        return []
    used = [{(row.since, row.at): row.value for row in counters[name]} for name in own]
    rows = []
    for row in counters.get("cpu_busy", ()):
        known = [values.get((row.since, row.at)) for values in used]
        if None in known:
            continue
        rest = row.value - worker_cores - sum(value for value in known if value is not None)
        rows.append(Row(row.series, row.since, row.at, rest))
    return rows


def _mean(rows: Sequence[Row], window: tuple[float, float]) -> float | None:
    """The mean over the window, never below 0; None where less than half of it was sampled."""
    inside = [max(min(row.at, window[1]) - max(row.since, window[0]), 0.0) for row in rows]
    covered = sum(inside)
    if not covered or covered < _LEAST_COVERED * (window[1] - window[0]):
        return None
    return max(sum(row.value * share for row, share in zip(rows, inside, strict=True)) / covered, 0.0)


def _p95(rows: Sequence[Row], window: tuple[float, float]) -> float | None:
    """The p95 over the samples of the window; None where less than half of it was sampled."""
    if _mean(rows, window) is None:
        return None
    inside = [row.value for row in rows if window[0] <= row.middle <= window[1] and row.at - row.since >= _SHORTEST_S]
    return max(float(np.quantile(inside, 0.95)), 0.0) if inside else None
