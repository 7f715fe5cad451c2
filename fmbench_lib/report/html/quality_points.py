"""Quality against cost and against latency, as a page holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.report.figures.quality_trade import QualityTrade, hover, trade_finding
from fmbench_lib.report.html.level_values import TEXT, clean, short
from fmbench_lib.report.html.page_shapes import QualityChart, QualityPoint
from fmbench_lib.report.level_order import short_load


def quality_points(trades: Mapping[str, QualityTrade], experiments: Sequence[str]) -> list[QualityChart]:
    """The charts by name, each with its points; `front` says which are on the Pareto front."""
    return [
        {
            "id": name,
            "title": clean(trade_finding(trade), TEXT),
            "x_title": trade.side.title,
            "y_title": clean(trade.y_title),
            "budget": None if trade.budget is None else trade.y(trade.budget),
            "budget_said": "" if trade.budget is None else f"budget {trade.said(trade.budget)}",
            "points": [_point(trade, row, experiments) for row in trade.rows],
        }
        for name, trade in trades.items()
    ]


def _point(trade: QualityTrade, row: Row, experiments: Sequence[str]) -> QualityPoint:
    low, high = number(row, "quality_low"), number(row, "quality_high")
    return {
        "e": experiments.index(str(row["experiment_name"])),
        "x": short(number(row, trade.side.column)),
        "y": short(trade.y(float(row["quality"]))),
        "low": None if low is None else short(trade.y(low)),
        "high": None if high is None else short(trade.y(high)),
        "n": number(row, "quality_n"),
        "front": bool(row.get(trade.side.front)),
        "label": short_load(row),
        "said": [clean(line) for line in hover(trade, row)],
    }
