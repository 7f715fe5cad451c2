"""Time to the first token and time per output token against load: what a reader of a stream notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

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
    short_load,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FAMILIES = (("TTFT", "time to the first token (s)", 1.0), ("TPOT", "time per output token (ms)", 1000.0))

MOST_MEDIANS = 6
"""With more experiments than this only p95 is drawn, as more lines could not be told apart."""

MOST_LETTERS = 48
"""Labels of the horizontal axis that are longer than this together stand aslant."""


def draw_token_times(
    rows: Rows, requests: pd.DataFrame, payload_file: str | None, look: Mapping[str, Look]
) -> Figure | None:
    """TTFT and TPOT of the dataset of interest by load: p50 as a thin line, p95 as a thick one with its 95% confidence
    interval. None if nothing streamed."""
    levels = [row for row in of_payload(rows, payload_file) if number(row, "TTFT_p95") is not None]
    if not levels:
        return None
    kinds = sorted({is_rate(row) for row in levels})
    figure = new_figure(10, 1.5 + 3.3 * len(kinds) + 0.07 * len(names_in(levels)))
    below = "Solid points: p95, with its 95% confidence interval where it has one."
    below += " Hollow points: the median." if len(names_in(levels)) <= MOST_MEDIANS else ""
    headline(figure, f"First token and pace by load: {dataset_name(payload_file)}", below)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.1, h_pad=0.08)
    grid = figure.subplots(len(kinds), 2, squeeze=False)
    chosen = counted(requests[requests["payload_file"] == payload_file])
    for line, rate in zip(grid, kinds, strict=True):
        for axes, (family, title, unit) in zip(line, _FAMILIES, strict=True):
            _panel(axes, [row for row in levels if is_rate(row) == rate], chosen, family, unit, look)
            axes.set_ylabel(title)
            axes.set_xlabel("requests per second" if rate else "requests in flight")
    legend_below(figure, experiment_keys(names_in(levels), look))
    return figure


def _panel(
    axes: Axes, levels: Rows, requests: pd.DataFrame, family: str, unit: float, look: Mapping[str, Look]
) -> None:
    loads = {str(row["load"]): short_load(row) for row in sorted(levels, key=load_order)}
    names = names_in(levels)
    data = requests[requests["load"].isin(loads)].dropna(subset=[family])
    data = data.assign(time=data[family].astype(float) * unit, at=data["load"].map(list(loads).index).astype(float))
    for index, name in enumerate(names):
        shift = (index - (len(names) - 1) / 2) * min(0.5 / len(names), 0.08)  # beside each other, not on top
        part = data[data["experiment_name"] == name]
        part = part.assign(at=part["at"] + shift)
        if part.empty:  # another tool's figures, without requests
            part = _figures_of([row for row in levels if row["experiment_name"] == name], list(loads), family, unit)
            part = part.assign(at=part["at"] + shift)
        if len(names) <= MOST_MEDIANS:
            _line(axes, part, look[name], 0.5, {"linewidth": 1.0, "markersize": 4.5, "markerfacecolor": "white"})
        _line(axes, part, look[name], 0.95, {"linewidth": 2.0, "markersize": 5.5})
        for row in (row for row in levels if row["experiment_name"] == name):
            _interval(axes, row, list(loads).index(str(row["load"])) + shift, family, unit, look[name])
    labels = [load.removesuffix("/s") for load in loads.values()]
    crowded = sum(map(len, labels)) > MOST_LETTERS
    axes.set_xticks(range(len(loads)), labels, rotation=45 if crowded else 0, ha="right" if crowded else "center")
    axes.set_xlim(-0.4, max(len(loads) - 0.6, 0.4))
    axes.grid(False, axis="x")
    _upwards(axes, _drawn(levels, family, unit))


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
