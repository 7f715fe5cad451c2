"""Pictures of levels and requests of any runs, in the style of the report."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.metrics.requests import MEASURES
from fmbench_lib.report.figures.style import headline, key, legend_below, looks, new_figure, save, short_name, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_UNITS = {column.name: column.unit for column in (*SUMMARY, *MEASURES.values())}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that a notebook shows; `figure` is matplotlib's."""

    figure: Figure

    def save(self, path: str | Path) -> Path:
        """Write it as PNG; returns the path."""
        return save(self.figure, Path(path))

    def _repr_png_(self) -> bytes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        buffer = io.BytesIO()
        canvas: Any = FigureCanvasAgg(self.figure)
        canvas.print_png(buffer)
        return buffer.getvalue()


def level_picture(levels: pd.DataFrame, x: str, y: str, by: Sequence[str]) -> Picture:
    """`y` against `x`, a point per level, joined along rising `x`, a colour for each combination of the columns `by`.

    Bars are the 95% intervals of `y`, hollow points levels that are degraded. Invalid levels are left out, which the
    line below the title says.
    """
    shown = levels[(levels["verdict"] != "invalid") & levels[x].notna() & levels[y].notna()]
    left_out = len(levels) - len(shown)
    groups = {" · ".join(map(str, _tuple(name))): group for name, group in shown.groupby(list(by), sort=False)}
    look = looks(list(groups))
    with styled():
        figure = new_figure(8, 5)
        axes = figure.add_subplot()
        for name, group in groups.items():
            _line(axes, group.sort_values(x), x, y, look[name].colour, look[name].dash)
        axes.set(xlabel=_title(x), ylabel=_title(y))
        axes.set_ylim(bottom=0)
        headline(figure, f"{y} against {x}", _below(left_out))
        _legend(figure, look)
    return Picture(figure)


def _line(axes: Axes, group: pd.DataFrame, x: str, y: str, colour: str, dash: str) -> None:
    across, up = group[x].astype(float), group[y].astype(float)
    axes.plot(across, up, color=colour, linestyle=dash, linewidth=1.6)
    if {f"{y}_low", f"{y}_high"} <= set(group.columns):
        low, high = (group[f"{y}_{end}"].astype(float) for end in ("low", "high"))
        axes.errorbar(
            across, up, yerr=[(up - low).fillna(0), (high - up).fillna(0)], fmt="none", color=colour, alpha=0.5
        )
    valid = group["verdict"] == "valid"
    axes.scatter(across[valid], up[valid], color=colour, zorder=3)
    axes.scatter(across[~valid], up[~valid], facecolors="white", edgecolors=colour, zorder=3)


def distribution_picture(quantiles: pd.DataFrame, measure: str, by: Sequence[str]) -> Picture:
    """The share of requests at or below each value of a measure, a curve for each combination of the columns `by`.

    `quantiles` has, for each of them, the `value` at each `share`, and `n` requests.
    """
    groups = {" · ".join(map(str, _tuple(name))): group for name, group in quantiles.groupby(list(by), sort=False)}
    look = looks(list(groups))
    counts = [int(group["n"].iloc[0]) for group in groups.values()]
    with styled():
        figure = new_figure(8, 5)
        axes = figure.add_subplot()
        for name, group in groups.items():
            steps: dict[str, Any] = {"drawstyle": "steps-post", "linewidth": 1.8}
            axes.plot(group["value"], group["share"], color=look[name].colour, linestyle=look[name].dash, **steps)
        axes.set(xlabel=_title(measure), ylabel="share of successful requests", ylim=(0, 1))
        axes.set_xlim(left=0)
        headline(
            figure,
            f"Distribution of {measure}",
            f"{sum(counts):,} successful requests of the window; failed requests are left out",
        )
        _legend(figure, look)
    return Picture(figure)


def _legend(figure: Figure, look: dict[str, Any]) -> None:
    legend_below(
        figure,
        [
            key(short_name(name, 40), color=each.colour, linestyle=each.dash, linewidth=2.2)
            for name, each in look.items()
        ],
    )


def _below(left_out: int) -> str:
    text = "Bars: 95% intervals. Hollow: degraded."
    return f"{text} Left out, as invalid or empty: {left_out}." if left_out else text


def _title(column: str) -> str:
    unit = None if "_per_" in column else _UNITS.get(column)
    return f"{column} ({unit})" if unit else column


def _tuple(name: Any) -> tuple[Any, ...]:
    return name if isinstance(name, tuple) else (name,)
