"""What else the machine did, from the monitor's samples, by docs/metrics.md, "The machine beside a level"."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from recompute_energy import add_energy
from recompute_part import steadiness
from recompute_queueing import Span
from recompute_reading import Cell, Level

Interval = tuple[float, float, float]
"""From when to when, Unix s, and the growth of a counter per second."""

NOTHING = dict.fromkeys(
    (
        "host_machine", "host_cores", "host_cores_busy", "host_cores_others", "host_cores_others_p95",
        "host_cpu_waiting", "host_cpu_stolen", "host_cpu_throttled",
    )
)  # fmt: skip


def beside_host(levels: Iterable[Level], energy: Mapping[str, Any]) -> None:
    """Add the columns `host_…`, and those of energy, to the facts of the levels, of which each counts."""
    by_folder: dict[Path, list[Level]] = {}
    for level in levels:
        by_folder.setdefault(level.samples, []).append(level)
    for folder, its in by_folder.items():
        ordered = sorted(its, key=lambda level: level.facts["started"])
        counters, labels = _counters(folder, ordered)
        for level in ordered:
            level.facts |= _figures(level, counters, labels)
        add_energy(folder, ordered, energy, _read, _on_clock)


def _counters(folder: Path, levels: Sequence[Level]) -> tuple[dict[str, list[Interval]], dict[str, str]]:
    """The intervals of each counter of the cores, on the clock of the levels, and their labels."""
    counters: dict[str, list[Interval]] = {}
    labels: dict[str, str] = {}
    for file in sorted(folder.glob("*.jsonl")):
        series, points = _read(file)
        for key, of in series.items():
            if of["source"] != "host" or "cores" not in of["labels"]:
                continue
            labels = of["labels"]
            moments = sorted((_on_clock(*at, levels), value) for *at, value in points.get(key, []))
            counters.setdefault(of["metric"], []).extend(
                (since, until, (after - before) / (until - since))
                for (since, before), (until, after) in pairwise(moments)
                if until > since and after >= before
            )
    return counters, labels


def _read(file: Path) -> tuple[dict[str, Any], dict[str, list[tuple[float, float | None, float]]]]:
    series: dict[str, Any] = {}
    points: dict[str, list[tuple[float, float | None, float]]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue  # cut off
        if "series" in content:
            series[str(content["series"]["id"])] = content["series"]
        for key, value in content.get("values", {}).items():
            points.setdefault(key, []).append((content["time"], content["monotonic"], value))
    return series, points


def _on_clock(time: float, monotonic: float | None, levels: Sequence[Level]) -> float:
    """A moment on the clock of the level in or after which it lies, else of the first."""
    offsets = [level.facts["unix_offset"] for level in levels]
    if monotonic is None or not offsets:
        return time
    begun = [level for level in levels if level.facts["started"] - level.facts["unix_offset"] <= monotonic]
    offset = offsets[max(len(begun) - 1, 0)]
    return float(monotonic + offset) if abs(time - monotonic - offset) < 3600 else time


def _figures(level: Level, counters: dict[str, list[Interval]], labels: dict[str, str]) -> dict[str, Cell]:
    if not labels:
        return dict(NOTHING)
    whole, _, _ = steadiness(level)
    window = whole or (level.facts["started"], level.facts["ended"])
    means = {name: _mean(intervals, window) for name, intervals in counters.items()}
    cores, stolen = int(labels["cores"]), means.get("cpu_stolen")
    others = _others(level, counters, labels["machine"])
    mean = _mean(others, window)
    shown = [rate for since, until, rate in others if until - since >= 0.05 and _inside(since, until, window)]
    return {
        "host_machine": labels["machine"],
        "host_cores": cores,
        "host_cores_busy": means.get("cpu_busy"),
        "host_cores_others": mean,
        "host_cores_others_p95": None if mean is None or not shown else max(float(np.quantile(shown, 0.95)), 0.0),
        "host_cpu_waiting": means.get("cpu_waiting"),
        "host_cpu_stolen": None if stolen is None else stolen / cores,
        "host_cpu_throttled": means.get("cpu_throttled"),
    }


def _inside(since: float, until: float, window: Span) -> bool:
    return window[0] <= (since + until) / 2 <= window[1]


def _others(level: Level, counters: dict[str, list[Interval]], machine: str) -> list[Interval]:
    """All cores in use less those of fmbench, its load workers and a server on this machine."""
    shares = level.facts["client_cpu"] or [None]
    own = ["cpu_client", "cpu_server"] if machine == "endpoint" else ["cpu_client"]
    if None in shares or not all(name in counters for name in own):
        return []
    known = [{(since, until): rate for since, until, rate in counters[name]} for name in own]
    workers = math.fsum(shares)
    return [
        (since, until, rate - workers - sum(of[since, until] for of in known))
        for since, until, rate in counters.get("cpu_busy", [])
        if all((since, until) in of for of in known)
    ]


def _mean(intervals: Sequence[Interval], window: Span) -> float | None:
    """The mean over the window, weighted by time; None where less than half of it was sampled."""
    overlaps = [max(0.0, min(until, window[1]) - max(since, window[0])) for since, until, _ in intervals]
    if sum(overlaps) <= 0 or sum(overlaps) < 0.5 * (window[1] - window[0]):
        return None
    total = sum(overlap * rate for overlap, (_, _, rate) in zip(overlaps, intervals, strict=True))
    return max(total / sum(overlaps), 0.0)
