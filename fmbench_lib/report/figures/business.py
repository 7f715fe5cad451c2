"""Price-performance: the cost of each level of the dataset of interest against its latency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fmbench_lib.report.figures.labels import Label, place_labels
from fmbench_lib.report.figures.panels import nothing
from fmbench_lib.report.figures.price_performance import Point, Trade
from fmbench_lib.report.figures.style import (
    BEYOND,
    BUDGET,
    GREY,
    INK,
    SUBTITLE,
    TITLE,
    WIDE,
    Look,
    experiment_keys,
    headline,
    key,
    legend_below,
    logarithmic,
    name_axes,
    new_figure,
    plain_numbers,
    short_name,
    spread,
    wide_range,
    within_sight,
    wrapped,
)
from fmbench_lib.report.level_order import is_rate
from fmbench_lib.report.numbers import dollars, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

MOST_NAMED = 6
"""With more experiments than this a legend names them, as names beside their lines would collide."""
MOST_SINGLE = 16
"""Experiments with a single level each that have their names beside their points: these have no line whose dashes
would tell apart two of one colour."""
MOST_LABELS, FEW_LABELS = 8, 3
"""Levels of an experiment that have a label, and where there are too many experiments for names."""
_BELOW = 3.2
"""How much further down a logarithmic scale reaches, for the label of the cheapest level."""
MARKERS = {"valid": "o", "degraded": "^", "invalid": "X"}


def draw_business(trade: Trade, look: Mapping[str, Look], model: str) -> Figure:
    """A line per experiment, a point per level; budgets as lines, verdicts as markers, a ring around the best level."""
    if not trade.points:
        return nothing(f"{model}: {trade.title}", "\n".join(["There is no level to show.", *trade.left_out]))
    below = f"{short_name(model, 50)}, {_explanation(trade)}"
    figure = new_figure(WIDE, _height(trade, below))
    axes = figure.subplots()
    headline(figure, trade.finding, below)
    for name in trade.experiments:
        _draw_experiment(axes, [point for point in trade.points if point.experiment == name], look[name])
    _scales(axes, trade)
    _budget_lines(axes, trade)
    _legend(figure, trade, look)
    _labels(axes, trade, look)
    return figure


def _height(trade: Trade, below: str) -> float:
    """Low enough for the first screen of a report; higher where many lines cross, or many levels have a label."""
    lines = len(wrapped(trade.finding, int(WIDE * TITLE)))
    small = -(-len(below) // int(WIDE * SUBTITLE))
    crowded = 0.7 if len(trade.points) > MOST_LABELS * len(trade.experiments) else 0.0
    return 3.0 + crowded + 0.25 * lines + 0.2 * small + min(0.55 * max(0, len(trade.experiments) - 3), 3.1)


def _explanation(trade: Trade) -> str:
    rates = [is_rate(point.row) for point in trade.points]
    what = "requests per second" if all(rates) else "requests in flight" + (" or per second" if any(rates) else "")
    bars = " Bars: 95% CI of p95." if any(point.interval for point in trade.points) else ""
    about = f"{trade.dataset}. A point per level; its label: {what}.{bars}"
    return " ".join([about, *trade.left_out, "Source: all_metrics_summary.csv"])


def _draw_experiment(axes: Axes, points: list[Point], look: Look) -> None:
    for _, part in groupby(points, key=lambda point: is_rate(point.row)):
        line = list(part)
        xs, ys = [point.x for point in line], [point.y for point in line]
        axes.plot(xs, ys, color=look.colour, linestyle=look.dash, linewidth=1.3, alpha=0.6, zorder=2)
    for point in points:
        if point.interval:
            axes.plot(point.interval, [point.y] * 2, color=look.colour, linewidth=2.6, alpha=0.3, zorder=2.5)
        face = "white" if point.misses else look.colour
        size = 100 if point.verdict == "invalid" else 66
        style: dict[str, Any] = {"facecolor": face, "edgecolor": look.colour, "linewidth": 1.6, "zorder": 4}
        axes.scatter(point.x, point.y, s=size, marker=MARKERS.get(point.verdict, "o"), **style)
        if point.best:
            axes.scatter(point.x, point.y, s=330, facecolor="none", edgecolor=INK, linewidth=1.8, zorder=5)


def _scales(axes: Axes, trade: Trade) -> None:
    p95s = [point.x for point in trade.points]
    ends = within_sight((end for point in trade.points if point.interval for end in point.interval), p95s)
    left, right = _scale(axes.xaxis, p95s, ends, trade.latency_budget)
    axes.set_xlim(left, right * (1.12 if _are_named(trade) else 1.0))  # room for names at the ends
    bottom, top = _scale(axes.yaxis, [point.y for point in trade.points], [], trade.cost_budget)
    axes.set_ylim(bottom / _BELOW if axes.get_yscale() == "log" else bottom, top)
    better = "lower is cheaper" if trade.priced else "higher is more"
    name_axes(axes, "latency p95 (s), left is faster", f"{trade.y_title},\n{better}")


def _scale(axis: Axis, values: list[float], ends: list[float], budget: float | None) -> tuple[float, float]:
    """Set the scale (logarithmic where the values span much) and return its limits; a distant budget is left out."""
    low, high = min([*values, *ends]), max([*values, *ends])
    if wide_range(values):
        near = budget is not None and low / 4 <= budget <= high * 4
        low, high = (min(low, budget), max(high, budget)) if near and budget else (low, high)
        logarithmic(axis, low / 1.5, high * 1.7)
        return low / 1.5, high * 1.7
    plain_numbers(axis)
    if budget is not None and budget <= 2 * high:
        high = max(high, budget)
    return 0.0, high * 1.14 or 1.0


def _budget_lines(axes: Axes, trade: Trade) -> None:
    """Each budget as a line, the area beyond it shaded; one outside the view is only named at the edge."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    line: dict[str, Any] = {"color": BUDGET, "linewidth": 1.3, "linestyle": BEYOND, "zorder": 1}
    shade: dict[str, Any] = {"color": BUDGET, "alpha": 0.045, "linewidth": 0, "zorder": 0}
    words: dict[str, Any] = {"fontsize": 9, "color": BUDGET, "textcoords": "offset points", "va": "bottom"}
    words |= {"annotation_clip": False}
    latency, cost = trade.latency_budget, trade.cost_budget
    if latency is not None:
        x = min(max(latency, left), right)
        inside = left < x < right
        if inside:
            axes.axvline(x, **line)
        axes.axvspan(x, right, **shade)
        text = f"latency budget {plain(latency)} s{'' if inside else ' →' if x == right else ' ←'}"
        near_edge = (axes.transAxes.inverted().transform(axes.transData.transform((x, top)))[0]) > 0.9
        axes.annotate(text, (x, top), xytext=(0, 4), ha="right" if near_edge else "center", **words)
    if cost is not None:
        y = min(max(cost, bottom), top)
        inside = bottom < y < top
        if inside:
            axes.axhline(y, **line)
        axes.axhspan(y, top, **shade)
        text = f"cost budget {dollars(cost)}{'' if inside else ' ↑' if y == top else ' ↓'}"
        axes.annotate(text, (left, y), xytext=(4, 3), ha="left", **words)


def _legend(figure: Figure, trade: Trade, look: Mapping[str, Look]) -> None:
    sign: dict[str, Any] = {"color": GREY, "linestyle": "", "markersize": 7.5}
    verdicts = {point.verdict for point in trade.points}
    signs = [key(f"measurement {name}", marker=marker, **sign) for name, marker in MARKERS.items() if name in verdicts]
    if any(point.misses for point in trade.points):
        signs.append(key("hollow: misses a budget", marker="o", markerfacecolor="white", **sign))
    if any(point.best for point in trade.points):
        ring = sign | {"color": INK, "markersize": 12}
        signs.append(key("ring: best level", marker="o", markerfacecolor="none", **ring))
    named = [] if _are_named(trade) else experiment_keys(trade.experiments, look)
    legend_below(figure, named, signs)


def _are_named(trade: Trade) -> bool:
    """Whether the experiments have their names beside their lines, or beside their only points."""
    single = len(trade.points) == len(trade.experiments)
    return len(trade.experiments) <= (MOST_SINGLE if single else MOST_NAMED)


def _labelled(trade: Trade) -> Iterator[Point]:
    """The points that get a label: of an experiment with many levels some, evenly spread."""
    most = MOST_LABELS if len(trade.experiments) <= MOST_NAMED else FEW_LABELS
    for name in trade.experiments:
        own = [point for point in trade.points if point.experiment == name]
        yield from (own[place] for place in spread(len(own), most))


def _labels(axes: Axes, trade: Trade, look: Mapping[str, Look]) -> None:
    ends = {point.experiment: point for point in trade.points} if _are_named(trade) else {}
    shown = {id(point) for point in _labelled(trade)}
    labels = []
    for point in sorted(trade.points, key=lambda point: (not point.best, point not in ends.values())):
        if id(point) not in shown and not point.best:
            continue
        name = short_name(point.experiment, 24)
        last = ends.get(point.experiment) is point
        text = f"{name} · {point.label}" if last else point.label
        if point.best:
            text = f"{name}\n" * (last or not ends) + f"best: {trade.figures(point)}"
        colour = INK if point.best else look[point.experiment].colour
        labels.append(Label(point.x, point.y, text, colour, bold=point.best, always=last))
    place_labels(axes, labels, [(point.x, point.y) for point in trade.points])
