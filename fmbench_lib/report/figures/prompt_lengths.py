"""Prompt length against latency: a point for each request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fmbench_lib.report.figures.findings import lengths_finding
from fmbench_lib.report.figures.load_colours import LoadColours, load_colours
from fmbench_lib.report.figures.panels import name_panels, nothing, outer_labels, panels
from fmbench_lib.report.figures.style import headline, legend_below, logarithmic, plain_numbers, wide_range
from fmbench_lib.report.level_order import Rows, counted, names_in, requests_of_levels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOURCE = "Source: per_inference_request_results.csv"
MOST_POINTS = 20_000
"""A scatter of more requests than this shows a sample of them, and says so."""


NO_LENGTHS = "No request succeeded with a known number of prompt tokens."


def has_lengths(requests: pd.DataFrame) -> bool:
    """Whether there is a request to draw."""
    return not counted(requests).dropna(subset=["latency", "prompt_token_count"]).empty


def draw_prompt_lengths(
    rows: Rows, requests: pd.DataFrame, title: str | None = None, y_ticks: Sequence[float] | None = None
) -> Figure:
    """Every success as a point: tokens of its prompt against its latency, a panel per experiment, coloured by load.

    All payload files are shown together, since they differ in exactly what the horizontal axis shows.
    """
    known = counted(requests).dropna(subset=["latency", "prompt_token_count"])
    heading = title or "Prompt length and latency"
    if known.empty:
        return nothing(heading, NO_LENGTHS)
    shown = known.sample(MOST_POINTS, random_state=1) if len(known) > MOST_POINTS else known
    names = [name for name in names_in(rows) if (shown["experiment_name"] == name).any()]
    colours = load_colours(rows)
    figure, axes = panels(len(names))
    of = requests_of_levels(rows, known)
    sampled = f" A sample of {len(shown):,} of {of:,} requests." if len(shown) < of else ""
    about = f"Each point is a successful request, its colour its load.{sampled} {SOURCE}"
    headline(figure, title or lengths_finding(requests), about)
    for panel, name in zip(axes, names, strict=True):
        _scatter(panel, shown[shown["experiment_name"] == name], colours)
    name_panels(axes, names)
    _share_axes(axes, shown["prompt_token_count"], shown["latency"], y_ticks)
    outer_labels(axes, "tokens in the prompt", "latency (s)")
    legend_below(figure, *colours.legend(set(shown["load"])))
    return figure


def _scatter(axes: Axes, requests: pd.DataFrame, colours: LoadColours) -> None:
    import seaborn as sns

    data = requests.astype({"prompt_token_count": float, "latency": float})
    sns.scatterplot(
        data=data,
        x="prompt_token_count",
        y="latency",
        hue="load",
        hue_order=colours.order,
        palette=colours.colours,
        style="load",
        markers=colours.markers,
        s=22 if len(data) < 400 else 12 if len(data) < 3000 else 6,
        alpha=0.75,
        linewidth=0,
        legend=False,
        ax=axes,
    )


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
