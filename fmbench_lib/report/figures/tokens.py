"""Prompt length against latency: a point for each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import Row
from fmbench_lib.report.figures.panels import name_panels, nothing, outer_labels, panels
from fmbench_lib.report.figures.style import headline, key, legend_below, logarithmic, plain_numbers, wide_range
from fmbench_lib.report.level_order import Rows, counted, is_rate, load_order, names_in, short_load

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_POINTS = 20_000
"""A scatter of more requests than this shows a sample of them, and says so."""


def draw_tokens_vs_latency(
    rows: Rows, requests: pd.DataFrame, title: str | None = None, y_ticks: Sequence[float] | None = None
) -> Figure:
    """Every request that succeeded: tokens of its prompt against its latency, a panel per experiment, coloured by load.

    All payload files are shown together, since they differ in just what the horizontal axis shows.
    """
    known = counted(requests).dropna(subset=["latency", "prompt_token_count"])
    heading = title or "Prompt length and latency"
    if known.empty:
        return nothing(heading, "No request succeeded with a known number of prompt tokens.")
    shown = known.sample(MOST_POINTS, random_state=1) if len(known) > MOST_POINTS else known
    names = [name for name in names_in(rows) if (shown["experiment_name"] == name).any()]
    loads = {str(row["load"]): row for row in sorted(rows, key=load_order)}
    colours = _load_colours(list(loads))
    figure, axes = panels(len(names))
    sampled = f" A sample of {len(shown):,} of {len(known):,} requests." if len(shown) < len(known) else ""
    headline(figure, heading, f"Each point is one successful request; the colour is the load it was part of.{sampled}")
    for panel, name in zip(axes, names, strict=True):
        _scatter(panel, shown[shown["experiment_name"] == name], loads, colours)
    name_panels(axes, names)
    _share_axes(axes, shown["prompt_token_count"], shown["latency"], y_ticks)
    outer_labels(axes, "tokens in the prompt", "latency (s)")
    legend_below(figure, *_load_legend(loads, colours, set(shown["load"])))
    return figure


def _load_colours(loads: Sequence[str]) -> dict[str, Any]:
    """From light to dark with the load, on a scale that holds for all kinds of colour vision."""
    import matplotlib as mpl

    scale = mpl.colormaps["viridis_r"]
    return {load: scale(0.12 + 0.88 * place / max(1, len(loads) - 1)) for place, load in enumerate(loads)}


def _scatter(axes: Axes, requests: pd.DataFrame, loads: Mapping[str, Row], colours: Mapping[str, Any]) -> None:
    size = 22 if len(requests) < 400 else 12 if len(requests) < 3000 else 6
    for load, row in loads.items():
        part = requests[requests["load"] == load]
        marker = "D" if is_rate(row) else "o"
        points: dict[str, Any] = {"s": size, "marker": marker, "color": [colours[load]], "alpha": 0.75, "linewidth": 0}
        axes.scatter(part["prompt_token_count"], part["latency"], **points)


def _share_axes(axes: Sequence[Axes], tokens: Any, latency: Any, y_ticks: Sequence[float] | None) -> None:
    """The same scales for all panels: `y_ticks` where they are given, else logarithmic where latencies span much."""
    left, right, low, high = tokens.min(), tokens.max(), latency.min(), latency.max()
    margin = 0.04 * (right - left) or 1
    logs = not y_ticks and wide_range([float(end) for end in np.quantile(latency, [0.01, 0.99])], 25)
    for panel in axes:
        plain_numbers(panel.xaxis)
        panel.set_xlim(max(0, left - margin), right + margin)
        if logs:
            logarithmic(panel.yaxis, max(low, 1e-4) / 1.3, high * 1.3)
            continue
        if y_ticks:
            panel.set_yticks(list(y_ticks))
        plain_numbers(panel.yaxis)
        panel.set_ylim(0, max(high * 1.06, *(1.03 * tick for tick in y_ticks or (0,))) or 1)


def _load_legend(loads: Mapping[str, Row], colours: Mapping[str, Any], shown: set[str]) -> list[list[Any]]:
    groups: list[list[Any]] = [[], []]
    for load, row in loads.items():
        if load in shown:
            rate = is_rate(row)
            said = f"{short_load(row).removesuffix('/s')} {'requests/s' if rate else 'in flight'}"
            groups[rate].append(key(said, linestyle="", marker="D" if rate else "o", color=colours[load], markersize=7))
    return groups
