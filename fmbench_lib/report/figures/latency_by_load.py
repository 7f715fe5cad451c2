"""Latency by load: a box for each level of the dataset of interest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.repeated_levels import level_of
from fmbench_lib.report.figures.findings import latency_finding
from fmbench_lib.report.figures.panels import name_panels, nothing, outer_labels, panel_inches, panels
from fmbench_lib.report.figures.style import (
    BEYOND,
    BUDGET,
    GREY,
    INK,
    Look,
    headline,
    key,
    legend_below,
    load_ticks,
    logarithmic,
    plain_numbers,
    within_sight,
)
from fmbench_lib.report.level_order import Rows, counted, dataset_name, is_rate, names_in, of_payload, short_load
from fmbench_lib.report.numbers import plain, several

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MOST_POINTS, MOST_DOTTED = 2000, 12
"""Where a panel has more requests or more levels than this, all panels show boxes only."""
_LEAST_LEVELS = 3
"""A panel is as wide as for so many levels, so that a single box is not as wide as the picture."""


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    logarithmic: bool


def draw_latency_by_load(
    rows: Rows,
    requests: pd.DataFrame,
    payload_file: str | None,
    look: Mapping[str, Look],
    budget: float | None = None,
    measured: Rows = (),
) -> Figure:
    """The latencies (s) of the dataset of interest by load, a panel per experiment.

    The box shows the quartiles, its whiskers p5 and p95; a diamond marks p95 with its confidence interval, a line the
    budget. Of a level that was repeated, small marks show p95 of each repeat, whose rows are among those `measured`.
    """
    levels = [row for row in of_payload(rows, payload_file) if number(row, "latency_p95") is not None]
    heading = f"Latency by load: {dataset_name(payload_file) or 'no dataset'}"
    if not levels:
        return nothing(heading, "No request of this dataset succeeded.")
    names = names_in(levels)
    most = max(sum(row["experiment_name"] == name for row in levels) for name in names)
    with_n = most <= (12 if len(names) == 1 else 7)
    figure, axes = panels(len(names))
    chosen = counted(requests[requests["payload_file"] == payload_file])
    scale = _scale(levels, chosen.astype({"latency": float}), budget)
    headline(figure, latency_finding(levels, budget), f"{heading}. {_explanation(chosen, scale, with_n)}")
    dotted = most <= MOST_DOTTED and max(chosen["experiment_name"].value_counts(), default=0) <= MOST_POINTS
    for panel, name in zip(axes, names, strict=True):
        part = chosen[chosen["experiment_name"] == name]
        own = [row for row in levels if row["experiment_name"] == name]
        _boxes(panel, own, part, look[name], with_n=with_n, dotted=dotted)
        _repeats(panel, own, of_payload(measured, payload_file))
        _latency_axis(panel, scale, budget)
    name_panels(axes, names)
    outer_labels(axes, _what(levels), "latency (s)")
    _box_legend(figure, levels, budget, scale)
    return figure


def _explanation(requests: pd.DataFrame, scale: _Scale, with_n: bool) -> str:
    if requests.empty:
        return "p95 as another tool printed it: there are no single requests." + (" n: successes." if with_n else "")
    about = "Box: the middle half of the requests and their median. Whiskers: the requests within p5 and p95."
    above = int((requests["latency"] > scale.high).sum())
    about += f" {several(above, 'request')} above the scale {'are' if above > 1 else 'is'} not shown." if above else ""
    about += " n: successes." if with_n else ""
    return f"{about} Source: per_inference_request_results.csv"


def _what(levels: Rows) -> str:
    rates = [is_rate(row) for row in levels]
    if all(rates):
        return "requests per second"
    return "requests in flight, or per second (/s)" if any(rates) else "requests in flight"


def _boxes(axes: Axes, levels: Rows, requests: pd.DataFrame, look: Look, *, with_n: bool, dotted: bool) -> None:
    """A box for each level, `dotted` with its requests as points behind it, and p95 with its interval beside it."""
    import seaborn as sns

    order = [str(row["load"]) for row in levels]
    data = requests[requests["load"].isin(order)].dropna(subset=["latency"]).astype({"latency": float})
    invalid = {load for load, row in zip(order, levels, strict=True) if text(row, "verdict") == "invalid"}
    shared: dict[str, Any] = {
        "data": data,
        "x": "load",
        "y": "latency",
        "order": order,
        "hue": "load",
        "hue_order": order,
        "palette": {load: GREY if load in invalid else look.colour for load in order},
        "legend": False,
        "ax": axes,
    }
    if dotted:
        sns.stripplot(**shared, size=2.6, alpha=0.35, jitter=0.18, linewidth=0, zorder=1)
    line = {"whiskerprops": {"linewidth": 1.4}, "capprops": {"linewidth": 1.4}, "medianprops": {"linewidth": 2.4}}
    sns.boxplot(**shared, whis=(5, 95), width=0.5, showfliers=False, fill=False, **line)
    _p95(axes, levels)
    load_ticks(axes, [_tick(row, str(row["load"]) in invalid, with_n) for row in levels], panel_inches(axes))
    beyond = max(_LEAST_LEVELS - len(levels), 0) / 2
    axes.set_xlim(-0.6 - beyond, len(levels) - 0.4 + beyond)
    axes.grid(False, axis="x")


def _tick(row: Row, invalid: bool, with_n: bool) -> str:
    known = number(row, "latency_n")  # another tool's level may not say of how many requests it is
    known = number(row, "successes") if known is None else known
    n = f"\nn={known:.0f}" if with_n and known is not None else ""
    return f"{short_load(row)}{' ✗' if invalid else ''}{n}"


def _p95(axes: Axes, levels: Rows) -> None:
    """The p95 of the summary as a diamond, with its confidence interval where n allows one."""
    for index, row in enumerate(levels):
        p95, low, high = (number(row, f"latency_p95{end}") for end in ("", "_low", "_high"))
        assert p95 is not None
        interval = None if low is None or high is None else ([p95 - low], [high - p95])
        style: dict[str, Any] = {"color": INK, "markersize": 5, "linewidth": 1.4, "capsize": 3.5, "zorder": 5}
        axes.errorbar([index + 0.33], [p95], yerr=interval, fmt="D", **style)


def _repeats(axes: Axes, levels: Rows, measured: Rows) -> None:
    """The p95 of each repeat of a level, as small marks beside the diamond."""
    for index, row in enumerate(levels):
        if (number(row, "repeats") or 1) > 1:
            p95s = [number(one, "latency_p95") for one in measured if level_of(one) == level_of(row)]
            known = [p95 for p95 in p95s if p95 is not None]
            axes.plot([index + 0.42] * len(known), known, "_", color=INK, markersize=6, zorder=5)


def _scale(levels: Rows, requests: pd.DataFrame, budget: float | None) -> _Scale:
    """One scale for all panels, logarithmic where latencies span much, that holds every p95 with its interval.

    It holds the slowest requests and the budget too, unless they are so far above that the boxes would be flat.
    """
    p95s = [p95 for row in levels if (p95 := number(row, "latency_p95")) is not None]
    ends = (end for row in levels if (end := number(row, "latency_p95_high")) is not None)
    whiskers = requests.groupby(["experiment_name", "load"])["latency"].quantile(0.05)
    low, high = float(whiskers.min()), max([*p95s, *within_sight(ends, p95s)])
    logs = high > 25 * low > 0
    far = [value for value in (float(requests["latency"].max()), budget) if value is not None]
    high = max([high, *(value for value in far if logs or value <= 2 * high)])
    return _Scale(low / 1.4 if logs else 0.0, high * (1.4 if logs else 1.08), logs)


def _latency_axis(axes: Axes, scale: _Scale, budget: float | None) -> None:
    if budget is not None and budget <= scale.high:
        axes.axhline(budget, color=BUDGET, linewidth=1.3, linestyle=BEYOND, zorder=1)
    if scale.logarithmic:
        logarithmic(axes.yaxis, scale.low, scale.high)
    else:
        plain_numbers(axes.yaxis)
        axes.set_ylim(scale.low, scale.high)


def _box_legend(figure: Figure, levels: Rows, budget: float | None, scale: _Scale) -> None:
    label = "p95 (95% CI where n allows one)"
    entries = [key(label, color=INK, marker="D", markersize=5, linewidth=1.4)]
    if any((number(row, "repeats") or 1) > 1 for row in levels):
        entries.append(key("p95 of each repeat", color=INK, marker="_", markersize=6, linewidth=0))
    if budget is not None:
        where = "" if budget <= scale.high else " (above the scale)"
        entries.append(key(f"budget for p95: {plain(budget)} s{where}", color=BUDGET, linestyle=BEYOND, linewidth=1.3))
    if any(text(row, "verdict") == "invalid" for row in levels):
        entries.append(key("✗ measurement invalid", color=GREY, linewidth=6, alpha=0.5))
    legend_below(figure, entries)
