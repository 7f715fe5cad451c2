"""Latency by load: a box for the requests of each level of the dataset of interest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.report.figures.panels import name_panels, nothing, outer_labels, panels
from fmbench_lib.report.figures.style import (
    BEYOND,
    BUDGET,
    GREY,
    INK,
    Look,
    headline,
    key,
    legend_below,
    logarithmic,
    plain_numbers,
)
from fmbench_lib.report.level_order import Rows, counted, dataset_name, is_rate, names_in, of_payload, short_load
from fmbench_lib.report.numbers import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_latency_by_load(
    rows: Rows, requests: pd.DataFrame, payload_file: str | None, look: Mapping[str, Look], budget: float | None = None
) -> Figure:
    """The latencies of the dataset of interest by load, a panel per experiment.

    Quartiles are a box, p5 and p95 its whiskers, p95 is a diamond too, with its confidence interval, the budget a line.
    """
    levels = [row for row in of_payload(rows, payload_file) if number(row, "latency_p95") is not None]
    heading = f"Latency by load: {dataset_name(payload_file) or 'no dataset'}"
    if not levels:
        return nothing(heading, "No request of this dataset succeeded.")
    names = names_in(levels)
    most = max(sum(row["experiment_name"] == name for row in levels) for name in names)
    with_n = most <= (12 if len(names) == 1 else 7)
    figure, axes = panels(len(names))
    below = "Box: the middle half of the requests and their median. Whiskers: p5 to p95."
    headline(figure, heading, below + (" n: successes." if with_n else ""))
    own = counted(requests[requests["payload_file"] == payload_file])
    for panel, name in zip(axes, names, strict=True):
        part = own[own["experiment_name"] == name]
        _boxes(panel, [row for row in levels if row["experiment_name"] == name], part, look[name], with_n)
    name_panels(axes, names)
    _latency_axis(axes, levels, own, budget)
    outer_labels(axes, _what(levels), "latency (s)")
    _box_legend(figure, levels, budget)
    return figure


def _what(levels: Rows) -> str:
    rates = [is_rate(row) for row in levels]
    if all(rates):
        return "requests per second"
    return "requests in flight, or per second (/s)" if any(rates) else "requests in flight"


def _boxes(axes: Axes, levels: Rows, requests: pd.DataFrame, look: Look, with_n: bool) -> None:
    names = []
    for place, row in enumerate(levels):
        values = requests.loc[requests["load"] == row["load"], "latency"].dropna().to_numpy(dtype=float)
        invalid = text(row, "verdict") == "invalid"
        n = f"\nn={number(row, 'latency_n') or len(values):.0f}" if with_n else ""
        names.append(f"{short_load(row)}{' ✗' if invalid else ''}{n}")
        if values.size:
            _box(axes, place, values, GREY if invalid else look.colour)
        _p95(axes, place, row)
    axes.set_xticks(range(len(levels)), names)
    axes.set_xlim(-0.6, len(levels) - 0.4)
    axes.grid(False, axis="x")


def _box(axes: Axes, place: int, values: Any, colour: str) -> None:
    low, q1, median, q3, high = (float(value) for value in np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]))
    stats = {"whislo": low, "q1": q1, "med": median, "q3": q3, "whishi": high, "fliers": []}
    line = {"color": colour, "linewidth": 1.4}
    axes.bxp(
        [stats],
        positions=[place],
        widths=0.5,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "alpha": 0.35, "edgecolor": colour},
        medianprops={"color": colour, "linewidth": 2.4},
        whiskerprops=line,
        capprops=line,
    )


def _p95(axes: Axes, place: int, row: Row) -> None:
    p95, low, high = (number(row, f"latency_p95{end}") for end in ("", "_low", "_high"))
    if low is not None and high is not None:
        axes.plot([place + 0.33] * 2, [low, high], color=INK, linewidth=1.4, zorder=4)
        for end in (low, high):
            axes.plot([place + 0.27, place + 0.39], [end] * 2, color=INK, linewidth=1.4, zorder=4)
    axes.scatter(place + 0.33, p95, marker="D", s=26, color=INK, zorder=5)  # type: ignore[arg-type]


def _latency_axis(axes: Sequence[Axes], levels: Rows, requests: pd.DataFrame, budget: float | None) -> None:
    """One scale for all panels, logarithmic where latencies span much; a budget far above is not drawn."""
    ends = [number(row, key) for row in levels for key in ("latency_p95", "latency_p95_high")]
    low, high = float(requests["latency"].quantile(0.05)), max(end for end in ends if end is not None)
    logs = high > 25 * low > 0
    if budget is not None and (logs or budget <= 2 * high):
        high = max(high, budget)
        for panel in axes:
            panel.axhline(budget, color=BUDGET, linewidth=1.3, linestyle=BEYOND, zorder=1)
    for panel in axes:
        if logs:
            logarithmic(panel.yaxis, low / 1.4, high * 1.4)
        else:
            plain_numbers(panel.yaxis)
            panel.set_ylim(0, high * 1.08)


def _box_legend(figure: Figure, levels: Rows, budget: float | None) -> None:
    said = "p95 (95% CI where n allows one)"
    entries = [key(said, color=INK, marker="D", markersize=5, linewidth=1.4)]
    if budget is not None:
        entries.append(key(f"budget for p95: {plain(budget)} s", color=BUDGET, linestyle=BEYOND, linewidth=1.3))
    if any(text(row, "verdict") == "invalid" for row in levels):
        entries.append(key("✗ measurement invalid", color=GREY, linewidth=6, alpha=0.5))
    legend_below(figure, entries)
