"""The machine and the server of an experiment over time, with the levels shaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import number, rows_of
from fmbench_lib.report.figures.style import (
    COLOURS,
    GREY,
    INK,
    PALE,
    WIDTH,
    headline,
    new_figure,
    plain_numbers,
    short_name,
)
from fmbench_lib.report.level_order import Rows, dataset_name, names_in, short_load
from fmbench_lib.report.report_data import ReportInputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Times = np.ndarray[Any, np.dtype[np.float64]]

PICTURE = "endpoint_metrics.png"
_AROUND_S = 3.0
_LONGEST_GAP_S = 12.0
_NARROWEST_LABEL = 0.018
_STACKS = ("vllm", "sglang", "tgi", "triton", "llama.cpp", "emulator", "prometheus")


@dataclass(frozen=True, slots=True)
class _Curve:
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
class _Panel:
    title: str
    curves: tuple[_Curve, ...]
    most: float | None = None


_AVERAGE = '"statistic": "Average"'
_PANELS = (
    _Panel(
        "CPU (%)",
        (
            _Curve("all cores", ("host",), "cpu_utilization", having='"machine": "endpoint"'),
            _Curve("client's machine", ("host",), "cpu_utilization", having='"machine": "client"'),
            _Curve("instance (sum of its cores)", ("cloudwatch",), "cpu_utilization", having=_AVERAGE),
        ),
        100,
    ),
    _Panel("server's CPU (cores)", (_Curve("its processes", ("server",), "process_cpu_utilization", 100, True),)),
    _Panel(
        "accelerators (%)",
        (
            _Curve("GPU", ("nvidia", "triton"), "gpu_utilization"),
            _Curve("NeuronCores", ("neuron",), "neuroncore_utilization"),
            _Curve("instance's GPUs (sum)", ("cloudwatch",), "gpu_utilization", having=_AVERAGE),
        ),
        100,
    ),
    _Panel(
        "memory (GiB)",
        (
            _Curve("server's processes", ("server",), "process_memory_used", 2**30, True),
            _Curve("GPUs", ("nvidia", "triton"), "gpu_memory_used", 2**30, True),
            _Curve("Neuron devices", ("neuron",), "neuron_device_memory_used", 2**30, True),
        ),
    ),
    _Panel(
        "requests",
        (
            _Curve("running", _STACKS, "requests_running", 1, True),
            _Curve("waiting", _STACKS, "requests_waiting", 1, True),
            _Curve("pending", _STACKS, "requests_pending", 1, True),
            _Curve("invocations/s", ("cloudwatch",), "invocations", 1, True),
        ),
    ),
    _Panel(
        "caches (%)",
        (
            _Curve("KV cache in use", _STACKS, "kv_cache_usage", 0.01),
            _Curve("prefix cache hits", _STACKS, "prefix_cache_hits", 0.01, whole=True),
        ),
        100,
    ),
    _Panel(
        "tokens/s",
        (
            _Curve("generated", (*_STACKS, "cloudwatch"), "generation_tokens", 1, True),
            _Curve("of prompts", (*_STACKS, "cloudwatch"), "prompt_tokens", 1, True),
            _Curve("of prompts, not cached", _STACKS, "prompt_tokens_computed", 1, True),
        ),
    ),
    _Panel(
        "server's times (s)",
        (
            _Curve("TTFT", _STACKS, "server_ttft"),
            _Curve("queue", _STACKS, "server_queue_time"),
            _Curve("model latency", ("cloudwatch",), "model_latency", having=_AVERAGE),
            _Curve("overhead", ("cloudwatch",), "overhead_latency", having=_AVERAGE),
        ),
    ),
)


def pictures(inputs: ReportInputs) -> dict[str, str]:
    """The file name of each picture, by the experiments that have both samples and levels."""
    if inputs.endpoint.samples.empty:
        return {}
    sampled = set(inputs.endpoint.summary["experiment_name"])
    rows = rows_of(inputs.summary)
    names = [name for name in names_in(rows) if name in sampled and _windows(rows, name)]
    return {name: PICTURE.replace(".", f"-{index}." if index > 1 else ".") for index, name in enumerate(names, 1)}


def draw_machine(inputs: ReportInputs, experiment: str) -> Figure:
    """The samples of an experiment's machine over time, a panel for each kind of metric."""
    windows = _windows(rows_of(inputs.summary), experiment)
    samples = inputs.endpoint.samples
    own = samples[samples["experiment"] == experiment]
    axis = _Axis([(row["window_start"], row["window_end"]) for row in windows])
    own = own[own["time"].between(axis.begin, axis.end)]
    levels = _summaries(inputs, experiment, windows)
    step = max(inputs.endpoint.interval or 1.0, 0.1)
    drawn = [(panel, found) for panel in _PANELS if (found := _curves(own, panel, step, levels))]
    figure = new_figure(WIDTH, 1.55 + 1.3 * max(len(drawn), 1))
    shaded = "Shaded: the window of each level; above it its load (requests in flight, or per second)."
    cut = " Longer gaps between levels are cut short." if axis.cut else ""
    headline(figure, _finding(drawn, experiment), f"{shaded}{cut} Source: endpoint_metrics.csv")
    grid = list(figure.subplots(max(len(drawn), 1), 1, sharex=True, squeeze=False).flat)
    for axes, (panel, curves) in zip(grid, drawn, strict=False):
        _draw_panel(axes, panel, curves, axis)
        _shade(axes, windows, axis)
    _name_levels(grid[0], windows, axis)
    grid[-1].set_xlabel("seconds since the first level")
    grid[-1].set_xlim(axis.position(axis.begin), axis.position(axis.end))
    return figure


def _finding(drawn: Sequence[tuple[_Panel, list[tuple[_Curve, Times, Times]]]], experiment: str) -> str:
    """The busiest of what is measured in percent, and how busy it was."""
    shares = [
        (float(np.nanmean(values)), float(np.nanmax(values)), panel, curve)
        for panel, curves in drawn
        for curve, _, values in curves
        if panel.most == 100 and np.isfinite(values).any()
    ]
    name = short_name(experiment, 40)
    if not shares:
        return f"{name}: machine and server over time"
    mean, most, panel, curve = max(shares, key=lambda share: share[0])
    what = f"{panel.title.removesuffix(' (%)')} ({curve.label})"
    return f"{name}: {what} on average {mean:.0f}% in use, at most {most:.0f}%"


def _windows(rows: Rows, experiment: str) -> Rows:
    own = [
        row
        for row in rows
        if row["experiment_name"] == experiment and number(row, "window_start") and row["window_end"]
    ]
    return sorted(own, key=lambda row: float(row["window_start"]))


class _Axis:
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


def _curves(
    samples: pd.DataFrame, panel: _Panel, step: float, levels: pd.DataFrame
) -> list[tuple[_Curve, Times, Times]]:
    found = []
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


def _draw_panel(axes: Axes, panel: _Panel, curves: Sequence[tuple[_Curve, Times, Times]], axis: _Axis) -> None:
    most = 0.0
    for index, (curve, times, values) in enumerate(curves):
        few = np.isfinite(values).sum() < 60 and not curve.whole
        marker: dict[str, Any] = {"marker": "o", "markersize": 2.6} if few else {}
        positions = np.where(np.isnan(times), np.nan, axis.position(times))
        axes.plot(positions, values, color=COLOURS[index], linewidth=1.4, label=curve.label, **marker)
        most = max(most, float(np.nanmax(values)))
    top = max(panel.most or 0.0, most * 1.12) or 1.0
    axes.set_ylim(-0.03 * top, top * 1.03)
    axes.set_title(panel.title, loc="left", fontsize=9.5, fontweight="bold", pad=3)
    plain_numbers(axes.yaxis)
    axes.grid(False, axis="x")
    if len(curves) > 1 or curves[0][0].label not in panel.title:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8.5, handlelength=1.4)


def _shade(axes: Axes, windows: Rows, axis: _Axis) -> None:
    for row in windows:
        axes.axvspan(
            axis.position(row["window_start"]),
            axis.position(row["window_end"]),
            color=PALE,
            alpha=0.45,
            linewidth=0,
            zorder=0,
        )


def _name_levels(axes: Axes, windows: Rows, axis: _Axis) -> None:
    """The load above each level that is wide enough, and the dataset above its first level."""
    width = float(axis.position(axis.end) - axis.position(axis.begin))
    above: Callable[..., Any] = axes.annotate
    several, last = len(names_in(windows, "payload_file")) > 1, None
    axes.set_title(axes.get_title(loc="left"), loc="left", fontsize=9.5, fontweight="bold", pad=27 if several else 16)
    for row in windows:
        start, end = axis.position(row["window_start"]), axis.position(row["window_end"])
        place: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        if (end - start) / width > _NARROWEST_LABEL:
            above(short_load(row), ((start + end) / 2, 1), (0, 3), ha="center", fontsize=8.5, color=INK, **place)
        if several and row["payload_file"] != last:
            last = row["payload_file"]
            above(dataset_name(last), (start, 1), (0, 14), ha="left", fontsize=8.5, color=GREY, **place)
