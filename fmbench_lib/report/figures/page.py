"""The interactive price-performance chart: an HTML page that makes no network call.

The page has a few kilobytes; the drawing library is a file beside it, which all pages of a folder share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.missing import number, text
from fmbench_lib.report.figures.price_performance import Point, Trade
from fmbench_lib.report.figures.quality_chart import DASHES, quality_figure
from fmbench_lib.report.figures.quality_trade import QualityTrade, trade_finding
from fmbench_lib.report.figures.style import BUDGET, INK, Look, wide_range
from fmbench_lib.report.level_order import is_rate
from fmbench_lib.report.level_texts import time_of
from fmbench_lib.report.markdown import one_line
from fmbench_lib.report.numbers import count, dollars, percent, plain, seconds, significant

LIBRARY = "plotly.min.js"
_SYMBOLS = {"valid": "circle", "degraded": "triangle-up", "invalid": "x"}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body{{font-family:system-ui,sans-serif;color:#1f2430;margin:1.2rem}}h1{{font-size:1.2rem}}h2{{font-size:1.05rem}}p{{max-width:60rem}}</style>
</head>
<body>
<h1>{title}</h1>
<p>{decision}</p>
{chart}
<p>{note}</p>
</body>
</html>
"""


def write_business_page(
    trade: Trade, look: Mapping[str, Look], model: str, decision: str, path: Path, quality: Mapping[str, QualityTrade]
) -> Path:
    """Write the page, and the drawing library beside it unless it exists; returns the path of the page.

    `quality`: quality against cost and against latency, by the name of the chart, each below the first.
    """
    charts = [_chart("business_summary", _figure(trade, look), path)] if trade.points else []
    for name, one in quality.items():
        charts += [f"<h2>{escape(trade_finding(one))}</h2>", _chart(name, quality_figure(one, look), path)]
    chart = "\n".join(charts) or "<p>There is no level to show.</p>"
    title = escape(f"{one_line(model)}: {trade.title}")
    note = escape(" ".join(["Click a name to hide or show it; hover over a point for its figures.", *trade.left_out]))
    page = _PAGE.format(title=title, decision=escape(decision), chart=chart, note=note)
    path.write_text(page, encoding="utf-8")
    return path


def _chart(name: str, figure: Any, page: Path) -> str:
    """The chart as a part of the page, with the drawing library beside that."""
    import plotly.io
    import plotly.offline

    library = page.parent / LIBRARY
    if not library.exists():
        library.write_text(plotly.offline.get_plotlyjs(), encoding="utf-8")
    kind = {"full_html": False, "include_plotlyjs": "directory", "div_id": name}
    options = {"responsive": True, "displaylogo": False}
    chart: str = plotly.io.to_html(figure, config=options, default_height="620px", **kind)
    return chart


def _figure(trade: Trade, look: Mapping[str, Look]) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    for name in trade.experiments:
        for rate in (False, True):
            points = [point for point in trade.points if point.experiment == name and is_rate(point.row) == rate]
            if points:
                figure.add_trace(go.Scatter(**_trace(trade, points, name + (" (rates)" if rate else ""), look[name])))
    best = [point for point in trade.points if point.best]
    if best:
        ring = {"symbol": "circle-open", "size": 26, "color": INK, "line": {"width": 2}}
        xs, ys = [point.x for point in best], [point.y for point in best]
        figure.add_trace(go.Scatter(x=xs, y=ys, mode="markers", marker=ring, name="best level", hoverinfo="skip"))
    _layout(figure, trade)
    return figure


def _trace(trade: Trade, points: list[Point], name: str, look: Look) -> dict[str, Any]:
    above = [point.interval[1] - point.x if point.interval else None for point in points]
    below = [point.x - point.interval[0] if point.interval else None for point in points]
    faces = ["white" if point.misses else look.colour for point in points]
    symbols = [_SYMBOLS.get(point.verdict, "circle") for point in points]
    return {
        "x": [point.x for point in points],
        "y": [point.y for point in points],
        "error_x": {"type": "data", "array": above, "arrayminus": below, "color": look.colour, "thickness": 1},
        "mode": "lines+markers+text",
        "name": escape(one_line(name, 60)),
        "text": [point.label for point in points],
        "textposition": "top right",
        "textfont": {"color": look.colour},
        "line": {"color": look.colour, "dash": DASHES[look.dash], "width": 1.5},
        "marker": {"size": 11, "color": faces, "symbol": symbols, "line": {"color": look.colour, "width": 2}},
        "hovertext": [_hover(trade, point) for point in points],
        "hoverinfo": "text",
    }


def _hover(trade: Trade, point: Point) -> str:
    row = point.row
    interval = f" (95% CI {seconds(point.interval[0])} to {seconds(point.interval[1])})" if point.interval else ""
    price = number(row, "price_per_txn")
    cost = None if price is None else price * trade.transactions
    facts = [
        f"<b>{escape(one_line(point.experiment))}</b>",
        f"{escape(one_line(text(row, 'instance_type') or 'no instance type'))}, {load_label(row)}",
        f"latency p50 {time_of(row, 'latency_p50')}, p95 {time_of(row, 'latency_p95')}{interval}",
        f"TTFT p50 {time_of(row, 'TTFT_p50')}, p95 {time_of(row, 'TTFT_p95')}",
        f"{significant(number(row, 'transactions_per_minute'))} transactions per minute",
        f"{dollars(cost)} per {trade.transactions:,} transactions",
        f"{count(number(row, 'successes'))} successes, error rate {percent(number(row, 'error_rate'))}",
        f"measurement {escape(point.verdict)}{', misses a budget' if point.misses else ''}",
    ]
    return "<br>".join(facts)


def _layout(figure: Any, trade: Trade) -> None:
    figure.update_layout(
        template="plotly_white",
        hovermode="closest",
        legend={"orientation": "h", "y": -0.16, "x": 0},
        margin={"l": 70, "r": 20, "t": 40, "b": 60},
        xaxis={"title": "latency p95 (s)", **_scale([point.x for point in trade.points])},
        yaxis={"title": trade.y_title, **_scale([point.y for point in trade.points])},
    )
    line = {"line": {"color": BUDGET, "dash": "dash", "width": 1.5}}
    words = {"showarrow": False, "font": {"color": BUDGET, "size": 12}}
    latency, cost = trade.latency_budget, trade.cost_budget
    if latency is not None and latency > 0:
        figure.add_shape(type="line", x0=latency, x1=latency, yref="paper", y0=0, y1=1, **line)
        place = {"x": _on_axis(figure.layout.xaxis, latency), "yref": "paper", "y": 1, "yanchor": "bottom"}
        figure.add_annotation(text=f"latency budget {plain(latency)} s", **place, **words)
    if cost is not None and 0 < cost <= 4 * max(point.y for point in trade.points):
        figure.add_shape(type="line", y0=cost, y1=cost, xref="paper", x0=0, x1=1, **line)
        place = {
            "y": _on_axis(figure.layout.yaxis, cost),
            "xref": "paper",
            "x": 0,
            "xanchor": "left",
            "yanchor": "bottom",
        }
        figure.add_annotation(text=f"cost budget {dollars(cost)}", **place, **words)


def _on_axis(axis: Any, value: float) -> float:
    """The position of an annotation: on a logarithmic axis plotly takes its logarithm, though not for a line."""
    return math.log10(value) if axis.type == "log" else value


def _scale(values: list[float]) -> dict[str, Any]:
    return {"type": "log", "dtick": "D2"} if wide_range(values) else {"rangemode": "tozero"}
