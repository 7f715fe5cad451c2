"""The machine and the server of an experiment over time, with the levels shaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

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
from fmbench_lib.report.machine_series import Panel, Series, TimeAxis, machine_series, sampled_experiments
from fmbench_lib.report.report_data import ReportInputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURE = "endpoint_metrics.png"
_NARROWEST_LABEL = 0.018


def pictures(inputs: ReportInputs) -> dict[str, str]:
    """The file name of each picture, by the experiments that have both samples and levels."""
    names = sampled_experiments(inputs)
    return {name: PICTURE.replace(".", f"-{index}." if index > 1 else ".") for index, name in enumerate(names, 1)}


def draw_machine(inputs: ReportInputs, experiment: str) -> Figure:
    """The samples of an experiment's machine over time, a panel for each kind of metric."""
    series = machine_series(inputs, experiment)
    windows, axis, drawn = series.windows, series.axis, series.panels
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


def _finding(drawn: Sequence[tuple[Panel, Sequence[Series]]], experiment: str) -> str:
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


def _draw_panel(axes: Axes, panel: Panel, curves: Sequence[Series], axis: TimeAxis) -> None:
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


def _shade(axes: Axes, windows: Rows, axis: TimeAxis) -> None:
    for row in windows:
        axes.axvspan(
            axis.position(row["window_start"]),
            axis.position(row["window_end"]),
            color=PALE,
            alpha=0.45,
            linewidth=0,
            zorder=0,
        )


def _name_levels(axes: Axes, windows: Rows, axis: TimeAxis) -> None:
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
