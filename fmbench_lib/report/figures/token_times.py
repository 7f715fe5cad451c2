"""Time to the first token and time per token against load: what a reader of a stream feels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fmbench_lib.metrics.missing import number
from fmbench_lib.report.figures.style import (
    Look,
    experiment_keys,
    headline,
    legend_below,
    logarithmic,
    new_figure,
    plain_numbers,
    wide_range,
)
from fmbench_lib.report.level_order import Rows, dataset_name, is_rate, load_order, names_in, of_payload, short_load

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FAMILIES = (("TTFT", "time to the first token (s)", 1.0), ("TPOT", "time per output token (ms)", 1000.0))

MOST_MEDIANS = 6
"""With more experiments than this only p95 is drawn, or nothing could be followed."""


def draw_token_times(rows: Rows, payload_file: str | None, look: Mapping[str, Look]) -> Figure | None:
    """TTFT and TPOT of the dataset of interest by load: p50 as a thin line, p95 as a thick one with its 95% confidence
    interval. None where nothing streamed, so that there is nothing to draw."""
    levels = [row for row in of_payload(rows, payload_file) if number(row, "TTFT_p95") is not None]
    if not levels:
        return None
    kinds = sorted({is_rate(row) for row in levels})
    figure = new_figure(10, 1.5 + 3.3 * len(kinds) + 0.07 * len(names_in(levels)))
    below = "Solid points: p95, with its 95% confidence interval where n allows one."
    below += " Hollow points: the median." if len(names_in(levels)) <= MOST_MEDIANS else ""
    headline(figure, f"First token and pace by load: {dataset_name(payload_file)}", below)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.1, h_pad=0.08)
    grid = figure.subplots(len(kinds), 2, squeeze=False)
    for line, rate in zip(grid, kinds, strict=True):
        for axes, (family, title, unit) in zip(line, _FAMILIES, strict=True):
            _panel(axes, [row for row in levels if is_rate(row) == rate], family, unit, look)
            axes.set_ylabel(title)
            axes.set_xlabel("requests per second" if rate else "requests in flight")
    legend_below(figure, experiment_keys(names_in(levels), look))
    return figure


def _panel(axes: Axes, levels: Rows, family: str, unit: float, look: Mapping[str, Look]) -> None:
    loads = list(dict.fromkeys(short_load(row) for row in sorted(levels, key=load_order)))
    names = names_in(levels)
    values: list[float] = []
    for at, name in enumerate(names):
        shift = (at - (len(names) - 1) / 2) * min(0.5 / len(names), 0.08)  # beside each other, not on top
        own = [row for row in levels if row["experiment_name"] == name and number(row, f"{family}_p95") is not None]
        xs = [loads.index(short_load(row)) + shift for row in own]
        if len(names) <= MOST_MEDIANS:
            values += _line(axes, xs, own, f"{family}_p50", unit, look[name], {"linewidth": 1.0, "markersize": 4.5})
        values += _line(axes, xs, own, f"{family}_p95", unit, look[name], {"linewidth": 2.0, "markersize": 5.5})
        values += _intervals(axes, xs, own, f"{family}_p95", unit, look[name].colour)
    axes.set_xticks(range(len(loads)), [load.removesuffix("/s") for load in loads])
    axes.set_xlim(-0.4, max(len(loads) - 0.6, 0.4))
    axes.grid(False, axis="x")
    _upwards(axes, values)


def _line(
    axes: Axes, xs: list[float], rows: Rows, column: str, unit: float, look: Look, style: dict[str, Any]
) -> list[float]:
    ys = [unit * (number(row, column) or 0) for row in rows]
    face = "white" if column.endswith("p50") else look.colour
    axes.plot(xs, ys, color=look.colour, linestyle=look.dash, marker="o", markerfacecolor=face, **style)
    return ys


def _intervals(axes: Axes, xs: list[float], rows: Rows, column: str, unit: float, colour: str) -> list[float]:
    drawn: list[float] = []
    for x, row in zip(xs, rows, strict=True):
        low, high = number(row, f"{column}_low"), number(row, f"{column}_high")
        if low is not None and high is not None:
            axes.plot([x, x], [unit * low, unit * high], color=colour, linewidth=5, alpha=0.28)
            drawn += [unit * low, unit * high]
    return drawn


def _upwards(axes: Axes, values: Sequence[float]) -> None:
    if wide_range(values, 25):
        logarithmic(axes.yaxis, min(values) / 1.3, max(values) * 1.3)
    else:
        plain_numbers(axes.yaxis)
        axes.set_ylim(0, max(values, default=1) * 1.1 or 1)
