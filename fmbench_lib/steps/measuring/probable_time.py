"""How long a level will probably take: as an earlier run of the experiment measured it, else from an assumption."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.runs.progress import duration
from fmbench_lib.workspace import Workspace, runs_of

ASSUMED_TTFT_S = 0.5
ASSUMED_TPOT_S = 0.02
ASSUMED_TOKENS = 200
"""Of an answer without `max_tokens`."""


@dataclass(frozen=True, slots=True)
class ProbableTime:
    """Seconds of load, and in words where they come from."""

    seconds: float
    basis: str

    def __str__(self) -> str:
        return f"probably about {duration(self.seconds)} ({self.basis})"


def probable_time(
    results: Path,
    name: str,
    experiment: str,
    levels: Sequence[LevelSpec],
    answers: Mapping[str, float | None],
    most: float,
) -> ProbableTime:
    """How long these levels of an experiment will probably take, at most `most` seconds.

    `name` is the run's; `answers` are the tokens that an answer to a prompt of each payload file probably has, None
    where nothing says it.
    """
    latencies, run_id = _measured(results, name, experiment)
    tokens = [ASSUMED_TOKENS if (known := answers[level.payload_file]) is None else known for level in levels]
    assumed = [ASSUMED_TTFT_S + ASSUMED_TPOT_S * each for each in tokens]
    seconds = sum(
        seconds_of_level(level, _latency(level, latencies, each)) for level, each in zip(levels, assumed, strict=True)
    )
    basis = f"as in run {run_id}" if latencies else _assumption(tokens, assumed)
    return ProbableTime(min(seconds, most), basis)


def _assumption(tokens: Sequence[float], latencies: Sequence[float]) -> str:
    each = f"at {ASSUMED_TPOT_S * 1000:.0f} ms each"
    least, most = min(tokens, default=0), max(tokens, default=0)
    if most == 0:
        return f"assuming {max(latencies, default=0):.3g} s a request, whose answer has no tokens"
    if least == most:
        return f"assuming {max(latencies, default=0):.3g} s a request: {most:.0f} tokens {each}"
    bounds = f"{min(latencies):.3g} to {max(latencies):.3g} s a request"
    return f"assuming {bounds}: {least:.0f} to {most:.0f} tokens {each}"


def _measured(results: Path, name: str, experiment: str) -> tuple[dict[tuple[str, str], float], str]:
    """Mean latencies by payload file and load, in the newest run of that name that has them, and its id."""
    for workspace in runs_of(results, name):
        rows = _rows(workspace)
        found = {
            (str(row["payload_file"]), _load(row)): float(row["latency_mean"])
            for row in rows
            if row.get("experiment_name") == experiment and isinstance(row.get("latency_mean"), int | float)
        }
        if found:
            return found, workspace.run_id
    return {}, ""


def _rows(workspace: Workspace) -> list[Mapping[str, Any]]:
    try:
        return list(read_json(workspace.summary_file).get("levels", []))
    except (OSError, ValueError, AttributeError, InputError):  # a run without a summary, or with one that is damaged
        return []


def _load(row: Mapping[str, Any]) -> str:
    return f"concurrency-{row.get('concurrency')}" if row.get("concurrency") else f"rate-{row.get('request_rate')}"


def _latency(level: LevelSpec, measured: Mapping[tuple[str, str], float], assumed: float) -> float:
    """That of the same level, else the mean over the experiment's levels, else the assumption."""
    key = (level.payload_file, level.base_load)
    return measured.get(key) or (sum(measured.values()) / len(measured) if measured else assumed)


def seconds_of_level(level: LevelSpec, latency: float) -> float:
    """The time of one level whose requests take `latency` seconds each."""
    slots, rate = level.concurrency, level.request_rate
    bounds = []
    if level.stop.requests is not None:
        count = level.stop.requests + level.warmup
        bounds.append(count / rate + latency if rate else math.ceil(count / (slots or 1)) * latency)
    if level.stop.duration is not None:
        warm = math.ceil(level.warmup / (slots or 1)) * latency if not rate else level.warmup / rate
        bounds.append(warm + level.stop.duration + latency)
    return min(bounds, default=math.inf)
