"""Error rates: which levels had errors, how many, and of which class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.groups.counts import errors_by_class
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.report.figures.findings import errors_finding
from fmbench_lib.report.figures.panels import nothing
from fmbench_lib.report.figures.style import (
    BEYOND,
    BUDGET,
    COLOURS,
    INK,
    WIDTH,
    headline,
    key,
    legend_below,
    new_figure,
    short_name,
)
from fmbench_lib.report.level_order import Rows, dataset_name, in_order
from fmbench_lib.report.numbers import percent, several

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 40
"""With more failing levels than this, only those with the highest error rates are drawn."""
HATCHES = ("", "////", "....")


def draw_error_rates(rows: Rows, budget: float | None = None) -> Figure:
    """A bar for each level that had errors, stacked by class; without any, the picture says so."""
    none = no_errors(rows)
    if none:
        return nothing("No level had errors" if rows else "Error rates", none.removeprefix("No errors: ").capitalize())
    failing = [row for row in in_order(rows) if number(row, "errors")]
    shown = failing
    if len(failing) > MOST_BARS:
        worst = sorted(failing, key=lambda row: -(number(row, "error_rate") or 0))[:MOST_BARS]
        shown = [row for row in failing if any(row is other for other in worst)]
    figure = new_figure(WIDTH, 2.1 + 0.3 * len(shown))
    headline(figure, errors_finding(failing, len(rows)), _explanation(rows, failing, shown))
    axes = figure.subplots()
    classes = sorted({name for row in failing for name in errors_by_class(row)})
    look = {name: (COLOURS[at % len(COLOURS)], HATCHES[at // len(COLOURS) % 3]) for at, name in enumerate(classes)}
    _bars(axes, shown, look)
    _axis(axes, shown, budget)
    _legend(figure, look, budget)
    return figure


def no_errors(rows: Rows) -> str | None:
    """Why there are no errors to draw; None where there are."""
    if not rows:
        return "No level was measured."
    if any(number(row, "errors") for row in rows):
        return None
    requests = sum(int(number(row, "requests") or 0) for row in rows)
    return f"No errors: all {requests:,} requests at {several(len(rows), 'level')} succeeded."


def _explanation(rows: Rows, failing: Rows, shown: Rows) -> str:
    errors = sum(int(number(row, "errors") or 0) for row in failing)
    requests = sum(int(number(row, "requests") or 0) for row in rows)
    clean = len(rows) - len(failing)
    about = f"{errors:,} of {requests:,} requests failed, at {len(failing)} of {several(len(rows), 'level')}."
    if clean:
        about += f" {several(clean, 'level')} without errors {'are' if clean > 1 else 'is'} not shown."
    if len(shown) < len(failing):
        about += f" Shown are the {len(shown)} with the highest error rates."
    return f"{about} Source: error_rates.csv"


def _bars(axes: Axes, rows: Rows, look: Mapping[str, tuple[str, str]]) -> None:
    from matplotlib.patheffects import withStroke

    for index, row in enumerate(rows):
        requests, start = number(row, "requests") or 1, 0.0
        for name, count in sorted(errors_by_class(row).items()):
            colour, hatch = look[name]
            share = 100 * count / requests
            style: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.8}
            axes.barh(index, share, left=start, height=0.62, **style)
            start += share
        errors = int(number(row, "errors") or 0)
        words = f"{percent(number(row, 'error_rate'))} ({errors:,} of {requests:,.0f})"
        halo = [withStroke(linewidth=3, foreground="white")]
        beside: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 9}
        axes.annotate(words, (start, index), color=INK, path_effects=halo, **beside)
    axes.set_yticks(range(len(rows)), [_name(row) for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _name(row: Row) -> str:
    experiment, payload = short_name(str(row.get("experiment_name")), 30), dataset_name(text(row, "payload_file"))
    return f"{experiment} · {short_name(payload, 24)} · {load_label(row)}"


def _axis(axes: Axes, rows: Rows, budget: float | None) -> None:
    from matplotlib.ticker import FuncFormatter

    highest = 100 * max(number(row, "error_rate") or 0 for row in rows)
    axes.set_xlim(0, min(highest * 1.35, 135) or 1)
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= min(100, axes.get_xlim()[1])])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.set_xlabel("failed requests (% of those sent in the window)")
    axes.grid(False, axis="y")
    if budget:
        axes.axvline(100 * budget, color=BUDGET, linewidth=1.3, linestyle=BEYOND)


def _legend(figure: Figure, look: Mapping[str, tuple[str, str]], budget: float | None) -> None:
    from matplotlib.patches import Patch

    entries: list[Any] = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=name) for name, (colour, hatch) in look.items()
    ]
    if budget:
        entries.append(key(f"budget: {percent(budget)}", color=BUDGET, linestyle=BEYOND, linewidth=1.3))
    legend_below(figure, entries)
