"""The samples of an experiment's machine and server as curves over time, with the windows of its levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import number, rows_of
from fmbench_lib.report.level_order import Rows, names_in
from fmbench_lib.report.report_data import ReportInputs

Times: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

_AROUND_S = 3.0
_LONGEST_GAP_S = 12.0
_STACKS = ("vllm", "sglang", "tgi", "triton", "llama.cpp", "emulator", "prometheus")


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric of some sources: its label, the divisor of its values, and whether series are summed or averaged.

    `whole` shows one value per level, because single values would only show when the server counted them.
    """

    label: str
    sources: tuple[str, ...]
    metric: str
    per: float = 1.0
    add: bool = False
    having: str = ""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves that share an axis: its title with the unit, and its upper end where that is fixed."""

    title: str
    curves: tuple[Curve, ...]
    most: float | None = None


Series: TypeAlias = tuple[Curve, Times, Times]
"""A curve with its times, Unix seconds, and its values; NaN in both where it is broken."""

_AVERAGE = '"statistic": "Average"'
PANELS = (
    Panel(
        "CPU (%)",
        (
            Curve("all cores", ("host",), "cpu_utilization", having='"machine": "endpoint"'),
            Curve("client's machine", ("host",), "cpu_utilization", having='"machine": "client"'),
            Curve("instance (sum of its cores)", ("cloudwatch",), "cpu_utilization", having=_AVERAGE),
        ),
        100,
    ),
    Panel("server's CPU (cores)", (Curve("its processes", ("server",), "process_cpu_utilization", 100, True),)),
    Panel(
        "accelerators (%)",
        (
            Curve("GPU", ("nvidia", "triton"), "gpu_utilization"),
            Curve("NeuronCores", ("neuron",), "neuroncore_utilization"),
            Curve("instance's GPUs (sum)", ("cloudwatch",), "gpu_utilization", having=_AVERAGE),
        ),
        100,
    ),
    Panel(
        "memory (GiB)",
        (
            Curve("server's processes", ("server",), "process_memory_used", 2**30, True),
            Curve("GPUs", ("nvidia", "triton"), "gpu_memory_used", 2**30, True),
            Curve("Neuron devices", ("neuron",), "neuron_device_memory_used", 2**30, True),
        ),
    ),
    Panel(
        "requests",
        (
            Curve("running", _STACKS, "requests_running", 1, True),
            Curve("waiting", _STACKS, "requests_waiting", 1, True),
            Curve("pending", _STACKS, "requests_pending", 1, True),
            Curve("invocations/s", ("cloudwatch",), "invocations", 1, True),
        ),
    ),
    Panel(
        "caches (%)",
        (
            Curve("KV cache in use", _STACKS, "kv_cache_usage", 0.01),
            Curve("prefix cache hits", _STACKS, "prefix_cache_hits", 0.01, whole=True),
        ),
        100,
    ),
    Panel(
        "tokens/s",
        (
            Curve("generated", (*_STACKS, "cloudwatch"), "generation_tokens", 1, True),
            Curve("of prompts", (*_STACKS, "cloudwatch"), "prompt_tokens", 1, True),
            Curve("of prompts, not cached", _STACKS, "prompt_tokens_computed", 1, True),
        ),
    ),
    Panel(
        "server's times (s)",
        (
            Curve("TTFT", _STACKS, "server_ttft"),
            Curve("queue", _STACKS, "server_queue_time"),
            Curve("model latency", ("cloudwatch",), "model_latency", having=_AVERAGE),
            Curve("overhead", ("cloudwatch",), "overhead_latency", having=_AVERAGE),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class MachineSeries:
    """The curves of an experiment's machine, by panel, on one time axis, with the rows of its levels in order."""

    windows: Rows
    axis: TimeAxis
    panels: list[tuple[Panel, list[Series]]]


def sampled_experiments(inputs: ReportInputs) -> list[str]:
    """The experiments that have both samples and levels."""
    if inputs.endpoint.samples.empty:
        return []
    sampled = set(inputs.endpoint.summary["experiment_name"])
    rows = rows_of(inputs.summary)
    return [name for name in names_in(rows) if name in sampled and windows_of(rows, name)]


def machine_series(inputs: ReportInputs, experiment: str) -> MachineSeries:
    """The samples of one of `sampled_experiments` as curves."""
    windows = windows_of(rows_of(inputs.summary), experiment)
    samples = inputs.endpoint.samples
    own = samples[samples["experiment"] == experiment]
    axis = TimeAxis([(row["window_start"], row["window_end"]) for row in windows])
    own = own[own["time"].between(axis.begin, axis.end)]
    levels = _summaries(inputs, experiment, windows)
    step = max(inputs.endpoint.interval or 1.0, 0.1)
    panels = [(panel, found) for panel in PANELS if (found := _curves(own, panel, step, levels))]
    return MachineSeries(windows, axis, panels)


def windows_of(rows: Rows, experiment: str) -> Rows:
    """The levels of an experiment that have a window, in the order in which they were measured."""
    own = [
        row
        for row in rows
        if row["experiment_name"] == experiment and number(row, "window_start") and row["window_end"]
    ]
    return sorted(own, key=lambda row: float(row["window_start"]))


class TimeAxis:
    """Maps Unix times onto the axis of the picture, with long gaps between levels shortened."""

    def __init__(self, windows: Sequence[tuple[float, float]]) -> None:
        self.begin, self.end = windows[0][0] - _AROUND_S, windows[-1][1] + _AROUND_S
        times, positions = [self.begin, windows[0][0]], [-_AROUND_S, 0.0]
        self.cut = any(after - before > _LONGEST_GAP_S for (_, before), (after, _) in pairwise(windows))
        for begun, ended in windows:
            start, end = max(begun, times[-1]), max(ended, begun, times[-1])
            gap = start - times[-1]
            positions.append(positions[-1] + min(gap, _LONGEST_GAP_S))
            times.append(start)
            positions.append(positions[-1] + end - start)
            times.append(end)
        times.append(self.end)
        positions.append(positions[-1] + _AROUND_S)
        self._times, self._positions = np.array(times), np.array(positions)

    def position(self, at: Any) -> Any:
        """The position of a Unix time, seconds on the axis."""
        return np.interp(at, self._times, self._positions)


def _summaries(inputs: ReportInputs, experiment: str, windows: Rows) -> pd.DataFrame:
    """The rows of the summary of an experiment's levels, each with the window of its level."""
    summary = inputs.endpoint.summary
    own = summary[summary["experiment_name"] == experiment]
    when = pd.DataFrame(windows)[["payload_file", "load", "window_start", "window_end"]]
    return own.merge(when, on=["payload_file", "load"])


def _curves(samples: pd.DataFrame, panel: Panel, step: float, levels: pd.DataFrame) -> list[Series]:
    found: list[Series] = []
    for curve in panel.curves:
        if curve.whole:
            known = levels[levels["metric"].eq(curve.metric) & levels["source"].isin(curve.sources)]
            if not known.empty:
                found.append((curve, *_level_lines(known, curve.per)))
            continue
        chosen = samples["metric"].eq(curve.metric) & samples["source"].isin(curve.sources)
        own = samples[chosen & samples["labels"].str.contains(curve.having, regex=False)]
        if not own.empty:
            width = 60.0 if set(own["source"]) == {"cloudwatch"} else step
            found.append((curve, *_together(own, width, add=curve.add, per=curve.per)))
    return found


def _level_lines(known: pd.DataFrame, per: float) -> tuple[Times, Times]:
    """A line across each level at the mean of its series."""
    times: list[float] = []
    values: list[float] = []
    for _, rows in known.groupby(["window_start", "window_end"]):
        start, end = (float(rows[name].iloc[0]) for name in ("window_start", "window_end"))
        mean = float(np.average(rows["mean"].to_numpy(float), weights=rows["n"].to_numpy(float))) / per
        times += [start, end, np.nan]
        values += [mean, mean, np.nan]
    return np.array(times), np.array(values)


def _together(samples: pd.DataFrame, step: float, *, add: bool, per: float) -> tuple[Times, Times]:
    """The series of a curve combined, step by step; a pause of several steps breaks the line."""
    slot = np.floor(samples["time"] / step)
    each = samples.groupby([slot, "source", "labels"])["value"].mean()
    by_slot = each.groupby(level=0)
    values = (by_slot.sum() if add else by_slot.mean()) / per
    times = samples.groupby(slot)["time"].mean()
    breaks = np.flatnonzero(np.diff(times.to_numpy()) > 5 * step) + 1
    return np.insert(times.to_numpy(), breaks, np.nan), np.insert(values.to_numpy(), breaks, np.nan)
