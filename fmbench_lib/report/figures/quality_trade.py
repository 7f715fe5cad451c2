"""Quality against the cost of answers and against latency, with the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fmbench_lib.metrics.decision.budgets import is_quality, name_of, unit_of
from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.report.figures.labels import Label, place_labels
from fmbench_lib.report.figures.style import (
    BEYOND,
    BUDGET,
    GREY,
    WIDTH,
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
    wide_range,
)
from fmbench_lib.report.level_order import dataset_name, names_in, short_load
from fmbench_lib.report.numbers import dollars, percent, seconds, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Side:
    """What quality is set against: its column in `quality_and_cost.csv`, that of the front, and words."""

    column: str
    front: str
    title: str
    least: str


COST = Side("price_per_1k_answers", "on_cost_front", "cost of 1,000 answers (USD)", "cheapest")
LATENCY = Side("latency_p95", "on_latency_front", "latency p95 (s)", "fastest")
SIDES = {"quality_vs_cost": COST, "quality_vs_latency": LATENCY}


@dataclass(frozen=True, slots=True)
class QualityTrade:
    """The levels of one payload file that have a quality and a value on the other side, in order of that."""

    rows: tuple[Row, ...]
    side: Side
    dataset: str
    measure: str
    budget: float | None

    @property
    def share(self) -> bool:
        """Whether quality is a share, shown in percent."""
        return unit_of(self.measure) == "share"

    @property
    def front(self) -> list[Row]:
        """The levels on the Pareto front, from the lowest cost to the highest."""
        return [row for row in self.rows if row.get(self.side.front)]

    @property
    def y_title(self) -> str:
        """The vertical axis in words."""
        return f"{name_of(self.measure)}{' (%)' if self.share else ''}"

    def y(self, value: float) -> float:
        """A value of quality on the axis."""
        return 100 * value if self.share else value

    def said(self, value: float | None) -> str:
        """A value of quality in words."""
        return percent(value) if self.share else significant(value)

    def against(self, row: Row) -> str:
        """A level's cost or latency in words."""
        value = number(row, self.side.column)
        return f"p95 {seconds(value)}" if self.side is LATENCY else f"{dollars(value)} per 1,000"


def quality_trade(
    table: pd.DataFrame, side: Side, payload_file: str | None, budgets: Mapping[str, float]
) -> QualityTrade | None:
    """The trade for one payload file; None where no level has both values."""
    rows = [
        row for row in rows_of(table) if row["payload_file"] == payload_file and number(row, side.column) is not None
    ]
    if not rows:
        return None
    rows.sort(key=lambda row: float(row[side.column]))
    measure = str(rows[0]["measure"])
    budget = next((limit for name, limit in budgets.items() if name == measure and is_quality(name)), None)
    return QualityTrade(tuple(rows), side, dataset_name(payload_file), measure, budget)


def trade_finding(trade: QualityTrade) -> str:
    """What more quality costs, in a sentence. Where intervals overlap, it says no more than what was measured."""
    front, least = trade.front, trade.side.least
    first, last, quality = front[0], front[-1], name_of(trade.measure)
    reached = f"{quality} {trade.said(first['quality'])}"
    others = [row for row in trade.rows if row["experiment_name"] != first["experiment_name"]]
    if not others:
        return f"{_name(first)}: {trade.against(first)} at best, with {reached}"
    surely = all(_apart(first, other, trade.side.column) for other in others)
    begins = f"{_name(first)} is {least if surely else f'{least} as measured'} ({trade.against(first)}) with {reached}"
    if last["experiment_name"] == first["experiment_name"]:
        worse = all(_apart(other, first, "quality") for other in others)
        return f"{begins}, and {'every other is worse' if worse else 'no other is shown to be better'}"
    if _apart(first, last, "quality"):
        return f"{begins}; {_name(last)} reaches {trade.said(last['quality'])} for {trade.against(last)}"
    more = f"{_name(last)} had {trade.said(last['quality'])} for {trade.against(last)}"
    return f"{begins}; {more}, but is not shown to be better"


def _apart(lower: Row, higher: Row, column: str) -> bool:
    """Whether a figure of one level is lower than that of another, with intervals that do not overlap."""
    high, low = number(lower, f"{column}_high"), number(higher, f"{column}_low")
    return high is not None and low is not None and high < low


def draw_quality_trade(trade: QualityTrade | None, look: Mapping[str, Look]) -> Figure | None:
    """A point for each level, with the interval of its quality; the front as a stepped line."""
    if trade is None:
        return None
    figure = new_figure(WIDTH, 5.6)
    headline(figure, trade_finding(trade), _about(trade))
    axes = figure.subplots()
    for row in trade.rows:
        _point(axes, trade, row, look[str(row["experiment_name"])].colour)
    _scales(axes, trade)
    _front(axes, trade)
    names = [name for name in look if name in names_in(trade.rows)]
    signs = [key("Pareto front", color=GREY, linestyle="-", linewidth=1.4)]
    if len(trade.front) < len(trade.rows):
        hollow: dict[str, Any] = {"marker": "o", "markerfacecolor": "white", "linestyle": "", "markersize": 7}
        signs.append(key("hollow: not on the front", color=GREY, **hollow))
    if trade.budget is not None:
        axes.axhline(trade.y(trade.budget), color=BUDGET, linewidth=1.3, linestyle=BEYOND, zorder=1)
        signs.append(key(f"budget: {trade.said(trade.budget)}", color=BUDGET, linestyle=BEYOND, linewidth=1.3))
    legend_below(figure, experiment_keys(names, look), signs)
    points = [(float(row[trade.side.column]), trade.y(float(row["quality"]))) for row in trade.rows]
    colours = [look[str(row["experiment_name"])].colour for row in trade.rows]
    labels = [
        Label(x, y, short_load(row), colour) for row, (x, y), colour in zip(trade.rows, points, colours, strict=True)
    ]
    place_labels(axes, labels, points)
    return figure


def _about(trade: QualityTrade) -> str:
    counts = sorted({int(known) for row in trade.rows if (known := number(row, "quality_n")) is not None})
    n = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else "".join(map(str, counts))
    bars = f" Bars: 95% CI of the quality ({n} questions); where bars overlap, the order may be chance." if n else ""
    return (
        f"{trade.dataset}: a point per level, its label the load; further left and higher is better.{bars} "
        "Source: quality_and_cost.csv"
    )


def _point(axes: Axes, trade: QualityTrade, row: Row, colour: str) -> None:
    x, y = float(row[trade.side.column]), trade.y(float(row["quality"]))
    low, high = number(row, "quality_low"), number(row, "quality_high")
    if low is not None and high is not None:
        axes.plot([x, x], [trade.y(low), trade.y(high)], color=colour, linewidth=3, alpha=0.25, zorder=2)
    style: dict[str, Any] = {"edgecolor": colour, "linewidth": 1.6, "zorder": 4}
    axes.scatter([x], [y], s=62, facecolor=colour if row.get(trade.side.front) else "white", **style)


def _front(axes: Axes, trade: QualityTrade) -> None:
    xs = [float(row[trade.side.column]) for row in trade.front]
    ys = [trade.y(float(row["quality"])) for row in trade.front]
    right = axes.get_xlim()[1]
    axes.step([*xs, right], [*ys, ys[-1]], where="post", color=GREY, linewidth=1.4, zorder=1.5)


def _scales(axes: Axes, trade: QualityTrade) -> None:
    xs = [float(row[trade.side.column]) for row in trade.rows]
    if wide_range(xs):
        logarithmic(axes.xaxis, min(xs) / 1.5, max(xs) * 1.7)
    else:
        plain_numbers(axes.xaxis)
        axes.set_xlim(0, max(xs) * 1.14 or 1.0)
    plain_numbers(axes.yaxis)
    ends = [number(row, name) for row in trade.rows for name in ("quality", "quality_low", "quality_high")]
    known = [trade.y(end) for end in ends if end is not None]
    known += [] if trade.budget is None else [trade.y(trade.budget)]
    margin = 0.08 * (max(known) - min(known)) or 0.05 * abs(max(known)) or 1.0
    axes.set_ylim(min(known) - margin, max(known) + margin)
    name_axes(axes, trade.side.title, trade.y_title)


def hover(trade: QualityTrade, row: Row) -> list[str]:
    """The figures of a level, a line each."""
    low, high = number(row, "quality_low"), number(row, "quality_high")
    interval = "" if low is None or high is None else f" (95% CI {trade.said(low)} to {trade.said(high)})"
    return [
        load_label(row),
        f"{name_of(trade.measure)} {trade.said(number(row, 'quality'))}{interval}",
        f"{dollars(number(row, COST.column))} per 1,000 answers",
        f"latency p95 {seconds(number(row, LATENCY.column))}",
    ]


def _name(row: Row) -> str:
    return short_name(str(row["experiment_name"]), 30)
