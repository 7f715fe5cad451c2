"""Accuracy in pictures: by model, and against the length of prompts. Their titles say what is found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.report.figures.style import (
    BEYOND,
    BUDGET,
    INK,
    WIDTH,
    Look,
    experiment_keys,
    headline,
    key,
    legend_below,
    new_figure,
    plain_numbers,
    short_name,
)
from fmbench_lib.report.level_order import dataset_name, names_in
from fmbench_lib.report.numbers import percent, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 0.05
"""The p-value below which a difference or a trend is shown."""
_LOOK = Look(INK, "-")


def draw_accuracy(
    models: pd.DataFrame, files: pd.DataFrame, pairs: pd.DataFrame, look: Mapping[str, Look], budget: float | None
) -> Figure | None:
    """The panel's accuracy of each model by payload file, with intervals; None where nothing was judged.

    `models`, `files`, `pairs`: the tables of accuracy by model, by payload file, and of models compared.
    """
    rows = rows_of(files)
    if not rows:
        return None
    figure = new_figure(WIDTH, 2.3 + 0.42 * len(rows))
    headline(figure, accuracy_finding(rows_of(models), rows_of(pairs)), _about(budget))
    axes = figure.subplots()
    for place, row in enumerate(rows):
        _interval(axes, place, row, look.get(str(row["experiment_name"]), _LOOK).colour)
    names = [f"{short_name(str(row['experiment_name']), 34)} · {_file(row)}" for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(False, axis="y")
    _shares(axes.xaxis)
    axes.set_xlim(0, 118)
    axes.set_xlabel("correct answers (% of the questions)")
    if budget is not None:
        axes.axvline(100 * budget, color=BUDGET, linewidth=1.3, linestyle=BEYOND, zorder=1)
        legend_below(figure, [key(f"budget: {percent(budget)}", color=BUDGET, linestyle=BEYOND, linewidth=1.3)])
    return figure


def accuracy_finding(models: Sequence[Row], pairs: Sequence[Row]) -> str:
    """Who answers best, and whether that is more than chance, in a sentence."""
    ranked = sorted(models, key=lambda row: -_known(row, "accuracy"))
    first = ranked[0]
    name, share = short_name(str(first["experiment_name"]), 40), percent(first["accuracy"])
    if len(ranked) == 1:
        low, high = percent(first["accuracy_low"]), percent(first["accuracy_high"])
        return f"{name} answers {share} of {first['questions']:.0f} questions correctly (95% CI {low} to {high})"
    behind = [row for row in ranked[1:] if not _settled(first, row, pairs)]
    if behind:
        others = "another model" if len(behind) == 1 else f"{len(behind)} other models"
        return f"{name} has the highest accuracy, {share}, but {others} may be as good"
    return f"{name} answers best: {share} correct, the next {percent(ranked[1]['accuracy'])}"


def _known(row: Row, column: str) -> float:
    value = number(row, column)
    return -math.inf if value is None else value


def _settled(first: Row, other: Row, pairs: Sequence[Row]) -> bool:
    both = {str(first["experiment_name"]), str(other["experiment_name"])}
    found = next((row for row in pairs if {str(row["first"]), str(row["second"])} == both), None)
    p = None if found is None else number(found, "p_value_holm")
    return p is not None and p < SHOWN


def _about(budget: float | None) -> str:
    line = "" if budget is None else " Dashed: the budget."
    return (
        "An answer is correct where more than half of the judges say so; ties and missing verdicts are not. Bars: "
        f"Wilson's 95% interval.{line} Source: per_payload_model_accuracy_majority_vote.csv"
    )


def _interval(axes: Axes, place: int, row: Row, colour: str) -> None:
    low, high, share = (number(row, name) for name in ("accuracy_low", "accuracy_high", "accuracy"))
    if share is None:
        return
    if low is not None and high is not None:
        axes.plot([100 * low, 100 * high], [place, place], color=colour, linewidth=5, alpha=0.35, zorder=2)
    axes.scatter([100 * share], [place], s=70, color=colour, zorder=3)
    words = f"{percent(share)} of {row['questions']:.0f}"
    right = 100 * (high if high is not None else share)
    axes.annotate(words, (right, place), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9, color=INK)


def draw_accuracy_by_length(bins: pd.DataFrame, look: Mapping[str, Look]) -> Figure | None:
    """Accuracy in bins of equally many questions by prompt length, a line per model; None without bins."""
    rows = rows_of(bins)
    if not rows:
        return None
    figure = new_figure(WIDTH, 5.2)
    headline(figure, length_finding(rows), _ABOUT_LENGTHS)
    axes, names = figure.subplots(), names_in(rows)
    spread = 0.006 * max(float(row["prompt_tokens_high"]) for row in rows)
    for place, name in enumerate(names):
        shift = spread * (place - (len(names) - 1) / 2)
        _line(axes, [row for row in rows if row["experiment_name"] == name], look.get(name, _LOOK), shift)
    plain_numbers(axes.xaxis)
    axes.set_xlim(left=0)
    _shares(axes.yaxis)
    axes.set_ylim(-4, 104)
    axes.set_xlabel("tokens in the prompt")
    axes.set_ylabel("correct answers (%)")
    legend_below(figure, experiment_keys(names, {name: look.get(name, _LOOK) for name in names}))
    return figure


_ABOUT_LENGTHS = (
    "Questions in bins of equal number, at the mean length of each. Upright bars: Wilson's 95% interval; level bars: "
    "the shortest and longest prompt of the bin. Source: accuracy_per_prompt_length.csv"
)


def length_finding(rows: Sequence[Row]) -> str:
    """Whether accuracy changes with the length of prompts, by the test for a trend."""
    trends = {str(row["experiment_name"]): row for row in rows}
    p_values = {name: p for name, row in trends.items() if (p := number(row, "trend_p_holm")) is not None}
    shown = [trends[name] for name, p in p_values.items() if p < SHOWN]
    if not shown:
        of = f" for any of {len(trends)} models" if len(trends) > 1 else ""
        least = significant(min(p_values.values(), default=None), 2)
        return f"No trend of accuracy with the length of prompts is shown{of} (p = {least})"
    row = min(shown, key=lambda each: float(each["trend_p_holm"]))
    way = "falls" if float(row["trend_z"]) < 0 else "rises"
    rest = "" if len(trends) == 1 else f" for {len(shown)} of {len(trends)} models"
    name = short_name(str(row["experiment_name"]), 30)
    return f"Accuracy {way} with the length of prompts{rest}: {name}, p = {significant(row['trend_p_holm'], 2)}"


def _line(axes: Axes, rows: Sequence[Row], look: Look, shift: float) -> None:
    xs = [float(row["prompt_tokens_mean"]) + shift for row in rows]
    ys = [100 * float(row["accuracy"]) for row in rows]
    style: dict[str, Any] = {"color": look.colour, "linestyle": look.dash}
    axes.plot(xs, ys, marker="o", markersize=6.5, linewidth=1.8, zorder=3, **style)
    for x, y, row in zip(xs, ys, rows, strict=True):
        ends = [100 * float(row["accuracy_low"]), 100 * float(row["accuracy_high"])]
        axes.plot([x, x], ends, color=look.colour, linewidth=4, alpha=0.25, zorder=2)
        reach = [float(row["prompt_tokens_low"]), float(row["prompt_tokens_high"])]
        axes.plot(reach, [y, y], color=look.colour, linewidth=1, alpha=0.5, zorder=2)


def _shares(axis: Any) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter

    axis.set_major_locator(FixedLocator([0, 20, 40, 60, 80, 100]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))


def _file(row: Row) -> str:
    return short_name(dataset_name(str(row["payload_file"])), 26)
