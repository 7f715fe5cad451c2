"""The energy of levels from the counters that the monitor read, by docs/metrics.md, "Energy"."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recompute_part import Part
from recompute_reading import Cell, Level

Readings = Callable[[Path], tuple[dict[str, Any], dict[str, list[tuple[float, float | None, float]]]]]
Clock = Callable[[float, float | None, Sequence[Level]], float]
Row = Mapping[str, Any]

READ = ("energy_joules", "energy_s", "energy_source", "energy_usd_per_kwh", "energy_grams_co2_per_kwh")


def add_energy(folder: Path, levels: Sequence[Level], energy: Row, read: Readings, clock: Clock) -> None:
    """Add the columns `READ` to the facts of the levels of one experiment, in their order."""
    files = [read(file) for file in sorted(folder.glob("*.jsonl"))]
    for place, level in enumerate(levels):
        level.facts |= dict.fromkeys(READ)
        earlier = levels[place - 1].facts["ended"] if place else -math.inf
        later = levels[place + 1].facts["started"] if place + 1 < len(levels) else math.inf
        grown = _grown(level, files, lambda *at: clock(*at, levels), (earlier, later))
        if grown is None:
            continue
        joules, seconds, source = grown
        if energy.get("idle_watts") is not None:
            joules = max(joules - energy["idle_watts"] * seconds, 0.0)
            source += f"; less {energy['idle_watts']:g} W of idling"
        level.facts |= {
            "energy_joules": joules,
            "energy_s": seconds,
            "energy_source": source,
            "energy_usd_per_kwh": energy.get("usd_per_kwh"),
            "energy_grams_co2_per_kwh": energy.get("grams_co2_per_kwh"),
        }


def _grown(
    level: Level, files: Sequence[Any], clock: Callable[..., float], others: tuple[float, float]
) -> tuple[float, float, str] | None:
    """The joules of all counters, the time between their readings, and whose they are; None where it is not known."""
    started, ended = level.facts["started"], level.facts["ended"]
    every = [of for series, _ in files for of in series.values()]
    counters = {str(of["labels"]): of["labels"] for of in every if of["unit"] == "J" and "machine" in of["labels"]}
    gpus = {of["labels"]["gpu"] for of in every if of["source"] == "nvidia"}
    metered = {labels["gpu"] for labels in counters.values() if "gpu" in labels}
    if not counters or gpus - metered or any(of["source"] == "neuron" for of in every):
        return None
    found_here = any(of["metric"] == "cpu_server" for of in every)
    if not found_here and any(labels["server"] != "here" for labels in counters.values()):
        return None
    joules, seconds = 0.0, 0.0
    for wanted in counters:
        ends = None
        for series, points in files:
            keys = [key for key, of in series.items() if of["unit"] == "J" and str(of["labels"]) == wanted]
            moments = sorted((clock(*at), value) for key in keys for *at, value in points.get(key, []))
            before = [one for one in moments if others[0] <= one[0] <= started]
            after = [one for one in moments if ended <= one[0] <= others[1]]
            if before and after and ends is None:
                ends = before[-1], after[0]
        if ends is None:
            return None
        joules += ends[1][1] - ends[0][1]
        seconds = max(seconds, ends[1][0] - ends[0][0])
    domains = dict.fromkeys(labels["domain"] for labels in counters.values() if "domain" in labels)
    said = [f"RAPL: {', '.join(domains)}"] if domains else []
    said += [f"NVML: {', '.join(f'GPU {gpu}' for gpu in sorted(metered))}"] if metered else []
    return joules, seconds, "; ".join(said)


def transactions(part: Part) -> Cell:
    """All successes of a level whose energy is known, warm-up included."""
    return None if part.level.facts.get("energy_joules") is None else int(np.count_nonzero(part.level.ok))


def per(amount: str, rate: str | None = None) -> Callable[[Row, Any], Cell]:
    """The energy over a column, or what that costs or emits by a rate per kWh."""

    def of(row: Row, _: Any) -> Cell:
        joules, over, each = row["energy_joules"], row[amount], 1.0 if rate is None else row[rate]
        if joules is None or not over or each is None:
            return None
        return float(joules / over if rate is None else joules / over / 3.6e6 * each)

    return of


DERIVED: dict[str, Callable[[Row, Any], Cell]] = {
    "joules_per_txn": per("energy_transactions"),
    "joules_per_output_token": per("billed_completion_tokens"),
    "energy_usd_per_txn": per("energy_transactions", "energy_usd_per_kwh"),
    "grams_co2_per_txn": per("energy_transactions", "energy_grams_co2_per_kwh"),
}
