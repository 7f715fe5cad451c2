"""Which fleet each rate needs: a heat map of rates and experiments."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fmbench_lib.metrics.sizing.fleets import Fleet
from fmbench_lib.metrics.sizing.size import SizedRate, Sizing
from fmbench_lib.report.figures.style import INK, WIDE, headline, new_figure, short_name
from fmbench_lib.report.numbers import MISSING, amount, count
from fmbench_lib.report.sizing.fleet_words import question_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_TIMES = 8.0
"""A fleet that costs more than so many times the cheapest has the colour of this."""


def draw_fleet_map(sizing: Sizing) -> Figure:
    """A cell for each rate and experiment with the fleet in it; its colour is the cost as a multiple of the cheapest,
    or of machines where prices are missing. The fleet to take has a frame."""
    import pandas as pd
    import seaborn as sns

    priced = any(fleet.hourly is not None for one in sizing.grid for fleet in one.fleets)
    figure = new_figure(WIDE, 2.0 + 0.55 * len(sizing.copies))
    what = "cost" if priced else "machines"
    headline(
        figure,
        f"Fleets with {question_text(sizing.question).partition(' with ')[2]}",
        f"Copies and USD/h by rate; the darker, the more {what} than the least; the frame is the fleet to take; "
        "empty where nothing measured says that the rate is carried.",
    )
    axes = figure.subplots()
    rates = [f"{one.rate:,.0f}" for one in sizing.grid]
    names = [short_name(copy.name, 28) for copy in sizing.copies]
    colours = pd.DataFrame([_multiples(one, priced) for one in sizing.grid]).T
    texts = pd.DataFrame([[_text(fleet) for fleet in one.fleets] for one in sizing.grid]).T
    sns.heatmap(
        colours.astype(float),
        ax=axes,
        annot=texts,
        fmt="",
        cmap="Blues",
        vmin=0.0,
        vmax=math.log(_MOST_TIMES),
        cbar=False,
        linewidths=1.5,
        annot_kws={"fontsize": 7.5},
        mask=colours.isna(),
    )
    axes.set_yticklabels(names, rotation=0)
    axes.set_xticklabels(rates, rotation=0)
    axes.set_xlabel("requests per minute")
    axes.grid(visible=False)
    _frames(axes, sizing)
    return figure


def _multiples(sized: SizedRate, priced: bool) -> list[float]:
    """The logarithm of each fleet's cost (or machines) over the least; NaN where there is no fleet."""
    values = [_value(fleet, priced) for fleet in sized.fleets]
    least = min((value for value in values if value), default=1.0)
    return [math.nan if not value else min(math.log(value / least), math.log(_MOST_TIMES)) for value in values]


def _value(fleet: Fleet, priced: bool) -> float | None:
    if not fleet.enough:
        return None
    return fleet.hourly if priced else float(fleet.machines or 0)


def _text(fleet: Fleet) -> str:
    if fleet.copies is None:
        return MISSING
    copies = count(fleet.copies) if fleet.copies else "tokens"
    return copies if fleet.hourly is None else f"{copies}\n{amount(fleet.hourly)}"


def _frames(axes: Axes, sizing: Sizing) -> None:
    from matplotlib.patches import Rectangle

    for place, one in enumerate(sizing.grid):
        if one.chosen is not None:
            axes.add_patch(
                Rectangle((place, one.chosen), 1, 1, fill=False, edgecolor=INK, linewidth=2.2, clip_on=False)
            )
