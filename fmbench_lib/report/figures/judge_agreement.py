"""How far judges agree: a matrix of every pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.report.figures.style import INK, WIDTH, headline, new_figure, short_name
from fmbench_lib.report.numbers import percent, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OTHERS, HUMAN, ALL = "majority of the others", "human", "all judges"
_MOST_JUDGES = 14


def draw_agreement(table: pd.DataFrame) -> Figure | None:
    """The share of answers on which each two judges agree, with Cohen's kappa; None with fewer than two judges.

    A column for the majority of the others, and one for people where answers have their labels.
    """
    pairs = {(text(row, "first"), text(row, "second")): row for row in rows_of(table)}
    sides = [(str(first), str(second)) for first, second in pairs if first and second]
    judges = _judges(rows_of(table))
    if not draws_agreement(rows_of(table)):
        return None
    columns = [*judges, *(name for name in (OTHERS, HUMAN) if any(second == name for _, second in sides))]
    cells = {
        (judge, column): pairs.get((judge, column)) or pairs.get((column, judge))
        for judge in judges
        for column in columns
    }
    figure = new_figure(WIDTH, 1.9 + 0.62 * len(judges))
    headline(figure, agreement_finding(rows_of(table)), _ABOUT)
    _matrix(figure.subplots(), judges, columns, cells)
    return figure


def draws_agreement(rows: Sequence[Row]) -> bool:
    """Whether there is a picture for this table: only of two judges or more."""
    return 2 <= len(_judges(rows)) <= _MOST_JUDGES


def _judges(rows: Sequence[Row]) -> list[str]:
    pairs = [(text(row, "first"), text(row, "second")) for row in rows]
    names = (name for pair in pairs if None not in pair for name in pair)
    return [name for name in dict.fromkeys(names) if name not in (None, OTHERS, HUMAN, "panel")]


_ABOUT = (
    "Share of the answers on which two judges, or a judge and the majority of the others, say the same; in brackets "
    "Cohen's kappa: 1 is perfect, 0 no better than chance. Source: judge_agreement.csv"
)


def agreement_finding(rows: Sequence[Row]) -> str:
    """How far judges agree beyond chance, in a sentence."""
    pairs = [row for row in rows if text(row, "second") not in (None, OTHERS, HUMAN)]
    shares = [share for row in pairs if (share := number(row, "agreement")) is not None]
    kappa = next((number(row, "value") for row in rows if text(row, "coefficient") == "Fleiss' kappa"), None)
    if kappa is None:
        kappa = next((number(row, "value") for row in pairs), None)
    if not shares:
        return "No two judges gave a verdict on the same answer"
    least, most = percent(min(shares)), percent(max(shares))
    spread = f"{least} of answers" if least == most else f"{least} to {most} of answers"
    beyond = "" if kappa is None else f", {_strength(kappa)} (kappa {significant(kappa, 2)})"
    return f"Two judges agree on {spread}{beyond}"


def _strength(kappa: float) -> str:
    """Landis and Koch's words (1977)."""
    if kappa <= 0:
        return "no better than chance"
    words = ("slightly", "fairly", "moderately", "substantially", "almost perfectly")
    return f"{words[min(int(kappa / 0.2), 4)]} beyond chance"


def _matrix(
    axes: Axes, judges: Sequence[str], columns: Sequence[str], cells: Mapping[tuple[str, str], Row | None]
) -> None:
    import seaborn as sns

    shares = np.array([[_share(cells[judge, column]) for column in columns] for judge in judges])
    words = np.array([[_words(cells[judge, column]) for column in columns] for judge in judges])
    names = {name: short_name(name, 24) for name in columns}
    frame = pd.DataFrame(shares, [names[name] for name in judges], [names[name] for name in columns])
    bar = {"label": "answers on which they agree (%)", "shrink": 0.9}
    look = {"cmap": "YlGnBu", "vmin": 0, "vmax": 100, "linewidths": 1.5, "linecolor": "white"}
    sns.heatmap(frame, annot=words, fmt="", annot_kws={"fontsize": 9.5}, cbar_kws=bar, ax=axes, **look)
    axes.tick_params(axis="y", rotation=0)
    axes.tick_params(axis="x", rotation=0 if len(columns) < 6 else 30)
    axes.grid(False)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_color(INK)


def _share(row: Row | None) -> float:
    share = None if row is None else number(row, "agreement")
    return float("nan") if share is None else 100 * share


def _words(row: Row | None) -> str:
    if row is None or number(row, "agreement") is None:
        return ""
    kappa = number(row, "value")
    return percent(row["agreement"]) + ("" if kappa is None else f"\n({significant(kappa, 2)})")
