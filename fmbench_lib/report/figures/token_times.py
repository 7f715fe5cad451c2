"""Time to the first token and time per output token against load: what a reader of a stream notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import number
from fmbench_lib.report.figures.findings import spread_finding
from fmbench_lib.report.figures.line_names import LineEnd, name_line_ends, room_for_names
from fmbench_lib.report.figures.panels import panel_inches
from fmbench_lib.report.figures.style import (
    GREY,
    WIDTH,
    Look,
    experiment_keys,
    headline,
    key,
    legend_below,
    load_ticks,
    logarithmic,
    name_axes,
    new_figure,
    plain_numbers,
    short_name,
    wide_range,
    within_sight,
)
from fmbench_lib.report.level_order import (
    Rows,
    counted,
    dataset_name,
    is_rate,
    load_order,
    names_in,
    of_payload,
    sample_note,
    short_load,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_FAMILIES = (("TTFT", "time to the first token (s)", 1.0), ("TPOT", "time per output token (ms)", 1000.0))

SOURCE = "Source: all_metrics_summary.csv, per_inference_request_results.csv"
MOST_MEDIANS = 6
"""With more experiments than this only p95 is drawn, as more lines could not be told apart."""

MOST_SINGLE = 14
"""Experiments at one load that have their names beside their points."""

_LONGEST_NAME = 18
"""Characters of a name beside its line; the legend has more of it."""


def draw_token_times(
    rows: Rows, requests: pd.DataFrame, payload_file: str | None, look: Mapping[str, Look]
) -> Figure | None:
    """TTFT and TPOT of the dataset of interest by load: p50 as a thin line, p95 as a thick one with its 95% confidence
    interval. None if nothing streamed."""
    levels = [row for row in of_payload(rows, payload_file) if number(row, "TTFT_p95") is not None]
    if not levels:
        return None
    kinds = sorted({is_rate(row) for row in levels})
    figure = new_figure(WIDTH, 1.5 + 2.9 * len(kinds) + 0.12 * len(names_in(levels)))
    below = f"Time to first token and time per output token, {dataset_name(payload_file)}. {SOURCE}"
    headline(figure, spread_finding(levels, "TTFT"), below)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.1, h_pad=0.08)
    grid = figure.subplots(len(kinds), 2, squeeze=False)
    chosen = counted(requests[requests["payload_file"] == payload_file])
    if sample_note(levels, chosen):
        chosen = chosen.iloc[:0]  # the percentiles of all requests are known
    ends = []
    for line, rate in zip(grid, kinds, strict=True):
        for axes, (family, title, unit) in zip(line, _FAMILIES, strict=True):
            own = [row for row in levels if is_rate(row) == rate]
            ends.append((axes, _panel(axes, own, chosen, family, unit, look), len({str(row["load"]) for row in own})))
            name_axes(axes, "requests per second" if rate else "requests in flight", title)
    legend_below(figure, experiment_keys(names_in(levels), look), _signs(levels))
    for axes, named, loads in ends:  # last, as the legend moves the axes
        name_line_ends(axes, named, loads - 1 + 0.3)
    return figure


def _signs(levels: Rows) -> list[Line2D]:
    sign: dict[str, Any] = {"color": GREY, "marker": "o", "linestyle": ""}
    signs = [key("p95", **sign)]
    if any(number(row, f"{family}_p95_low") is not None for row in levels for family, *_ in _FAMILIES):
        signs.append(key("its 95% confidence interval", color=GREY, marker="|", markersize=11, linestyle=""))
    if len(names_in(levels)) <= MOST_MEDIANS:
        signs.append(key("hollow: median", **sign, markerfacecolor="white"))
    return signs


def _panel(
    axes: Axes, levels: Rows, requests: pd.DataFrame, family: str, unit: float, look: Mapping[str, Look]
) -> list[LineEnd]:
    """Draw a measure against the loads; returns the ends of the lines that are to be named."""
    loads = {str(row["load"]): short_load(row) for row in sorted(levels, key=load_order)}
    names = names_in(levels)
    data = requests[requests["load"].isin(loads)].dropna(subset=[family])
    data = data.assign(time=data[family].astype(float) * unit, at=data["load"].map(list(loads).index).astype(float))
    for index, name in enumerate(names):
        shift = _shift(index, len(names))
        part = data[data["experiment_name"] == name]
        part = part.assign(at=part["at"] + shift)
        if part.empty:  # another tool's figures, or those of too many requests to draw
            part = _figures_of([row for row in levels if row["experiment_name"] == name], list(loads), family, unit)
            part = part.assign(at=part["at"] + shift)
        if len(names) <= MOST_MEDIANS:
            _line(axes, part, look[name], 0.5, {"linewidth": 1.0, "markersize": 4.5, "markerfacecolor": "white"})
        _line(axes, part, look[name], 0.95, {"linewidth": 2.0, "markersize": 5.5})
        for row in (row for row in levels if row["experiment_name"] == name):
            _interval(axes, row, list(loads).index(str(row["load"])) + shift, family, unit, look[name])
    most_named = MOST_SINGLE if len(loads) == 1 else MOST_MEDIANS
    ends = _ends(levels, list(loads), family, unit, look) if 1 < len(names) <= most_named else []
    width = panel_inches(axes)
    taken = room_for_names([end.name for end in ends], width) if ends else 0.0
    load_ticks(axes, [load.removesuffix("/s") for load in loads.values()], (1 - taken) * 0.85 * width)
    left, right = -0.4, max(len(loads) - 0.6, 0.4)
    axes.set_xlim(left, right + (right - left) * taken / (1 - taken))
    axes.grid(False, axis="x")
    _upwards(axes, _drawn(levels, family, unit))
    return ends


def _shift(index: int, count: int) -> float:
    """How far from its load the points of an experiment are, beside those of the others and not on top of them."""
    return (index - (count - 1) / 2) * min(0.5 / count, 0.08)


def _ends(levels: Rows, loads: Sequence[str], family: str, unit: float, look: Mapping[str, Look]) -> list[LineEnd]:
    """The last point of each experiment's p95."""
    known = [row for row in levels if number(row, f"{family}_p95") is not None]
    last = {str(row["experiment_name"]): row for row in known}
    names = names_in(levels)
    return [
        LineEnd(
            loads.index(str(row["load"])) + _shift(names.index(name), len(names)),
            unit * float(row[f"{family}_p95"]),
            short_name(name, _LONGEST_NAME),
            look[name].colour,
        )
        for name, row in last.items()
    ]


def _figures_of(levels: Rows, loads: Sequence[str], family: str, unit: float) -> pd.DataFrame:
    """The percentiles of levels that have no requests: a value for each load and quantile, at its place."""
    values = [
        {"at": float(loads.index(str(row["load"]))), "time": unit * value, "quantile": q}
        for row in levels
        for q in (0.5, 0.95)
        if (value := number(row, f"{family}_p{100 * q:.0f}")) is not None
    ]
    return pd.DataFrame(values, columns=["at", "time", "quantile"])


def _line(axes: Axes, requests: pd.DataFrame, look: Look, q: float, style: dict[str, Any]) -> None:
    """A quantile over the loads, of requests or as it is known."""
    import seaborn as sns

    known = requests[requests["quantile"] == q] if "quantile" in requests else requests
    sns.lineplot(
        data=known,
        x="at",
        y="time",
        estimator=lambda values: np.quantile(values, q),
        errorbar=None,
        color=look.colour,
        linestyle=look.dash,
        marker="o",
        markeredgecolor=look.colour,
        legend=False,
        ax=axes,
        **style,
    )


def _interval(axes: Axes, row: Mapping[str, Any], at: float, family: str, unit: float, look: Look) -> None:
    """The confidence interval of a level's p95, where the tables give one."""
    value, low, high = (number(row, f"{family}_p95{end}") for end in ("", "_low", "_high"))
    if value is None or low is None or high is None:
        return
    reach = [[unit * (value - low)], [unit * (high - value)]]
    axes.errorbar([at], [unit * value], yerr=reach, fmt="none", ecolor=look.colour, elinewidth=1.4, capsize=3)


def _drawn(levels: Rows, family: str, unit: float) -> list[float]:
    """The values that the axis must hold: medians, p95 and the ends of its interval."""
    values, ends = (
        [
            unit * value
            for row in levels
            for column in columns
            if (value := number(row, f"{family}_{column}")) is not None
        ]
        for columns in (("p50", "p95"), ("p95_low", "p95_high"))
    )
    return values + within_sight(ends, values)


def _upwards(axes: Axes, values: Sequence[float]) -> None:
    if wide_range(values, 25):
        logarithmic(axes.yaxis, min(values) / 1.3, max(values) * 1.3)
    else:
        plain_numbers(axes.yaxis)
        axes.set_ylim(0, max(values, default=1) * 1.1 or 1)
