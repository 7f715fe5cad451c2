"""The interactive charts of quality against cost and against latency."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.report.figures.quality_trade import QualityTrade, hover
from fmbench_lib.report.figures.style import BUDGET, GREY, Look, wide_range
from fmbench_lib.report.level_order import names_in, short_load
from fmbench_lib.report.markdown import one_line

DASHES = {"-": "solid", "--": "dash", ":": "dot"}
"""Plotly's names of the dashes of a look."""


def quality_figure(trade: QualityTrade, look: Mapping[str, Look]) -> Any:
    """A plotly figure: a point for each level with the interval of its quality, and the Pareto front."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name in (name for name in look if name in names_in(trade.rows)):
        rows = [row for row in trade.rows if row["experiment_name"] == name]
        figure.add_trace(go.Scatter(**_trace(trade, rows, name, look[name])))
    xs = [float(row[trade.side.column]) for row in trade.front]
    ys = [trade.y(float(row["quality"])) for row in trade.front]
    line = {"color": GREY, "width": 1.5, "shape": "hv"}
    figure.add_trace(go.Scatter(x=xs, y=ys, mode="lines", line=line, name="Pareto front", hoverinfo="skip"))
    _layout(figure, trade)
    return figure


def _trace(trade: QualityTrade, rows: list[Row], name: str, look: Look) -> dict[str, Any]:
    ys = [trade.y(float(row["quality"])) for row in rows]
    above, below = (_bars(trade, rows, ys, end) for end in ("quality_high", "quality_low"))
    faces = [look.colour if row.get(trade.side.front) else "white" for row in rows]
    return {
        "x": [float(row[trade.side.column]) for row in rows],
        "y": ys,
        "error_y": {"type": "data", "array": above, "arrayminus": below, "color": look.colour, "thickness": 1},
        "mode": "markers+text",
        "name": escape(one_line(name, 60)),
        "text": [short_load(row) for row in rows],
        "textposition": "top right",
        "textfont": {"color": look.colour},
        "marker": {"size": 11, "color": faces, "line": {"color": look.colour, "width": 2}},
        "hovertext": [_hover(trade, name, row) for row in rows],
        "hoverinfo": "text",
    }


def _bars(trade: QualityTrade, rows: list[Row], ys: list[float], end: str) -> list[float | None]:
    ends = [number(row, end) for row in rows]
    return [None if value is None else abs(trade.y(value) - y) for value, y in zip(ends, ys, strict=True)]


def _hover(trade: QualityTrade, name: str, row: Row) -> str:
    return "<br>".join([f"<b>{escape(one_line(name))}</b>", *map(escape, hover(trade, row))])


def _layout(figure: Any, trade: QualityTrade) -> None:
    xs = [float(row[trade.side.column]) for row in trade.rows]
    scale = {"type": "log", "dtick": "D2"} if wide_range(xs) else {"rangemode": "tozero"}
    figure.update_layout(
        template="plotly_white",
        hovermode="closest",
        legend={"orientation": "h", "y": -0.16, "x": 0},
        margin={"l": 70, "r": 20, "t": 40, "b": 60},
        xaxis={"title": trade.side.title, **scale},
        yaxis={"title": escape(trade.y_title)},
    )
    if trade.budget is not None:
        y = trade.y(trade.budget)
        line = {"line": {"color": BUDGET, "dash": "dash", "width": 1.5}}
        figure.add_shape(type="line", y0=y, y1=y, xref="paper", x0=0, x1=1, **line)
        words = {"showarrow": False, "font": {"color": BUDGET, "size": 12}}
        place = {"y": y, "xref": "paper", "x": 0, "xanchor": "left", "yanchor": "bottom"}
        figure.add_annotation(text=f"budget {trade.said(trade.budget)}", **place, **words)
