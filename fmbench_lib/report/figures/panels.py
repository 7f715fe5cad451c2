"""Small multiples: a panel for each experiment or dataset, all with the same scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fmbench_lib.report.figures.style import WIDTH, headline, name_axes, new_figure, say, short_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(count: int, height: float = 2.5) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels that share their vertical axis, and the panels; `height` of a row in inches."""
    columns = 1 if count == 1 else 2 if count in (2, 4) else 3
    rows = -(-count // columns)
    figure = new_figure(WIDTH, 1.1 + (max(height, 3.6) if rows == 1 else height * rows))
    grid = figure.subplots(rows, columns, sharex=False, sharey=True, squeeze=False)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.07, h_pad=0.06)
    axes: list[Axes] = list(grid.flat)
    for unused in axes[count:]:
        unused.set_visible(False)
    return figure, axes[:count]


def panel_inches(axes: Axes) -> float:
    """About how wide a panel will be once the figure is laid out."""
    spec, figure = axes.get_subplotspec(), axes.get_figure(root=True)
    assert spec is not None
    assert figure is not None
    columns = spec.get_gridspec().ncols
    return float((figure.get_figwidth() - 0.7) / columns - 0.15)


def name_panels(axes: Sequence[Axes], names: Sequence[str]) -> None:
    """The experiment's name above each panel."""
    for panel, name in zip(axes, names, strict=True):
        longest = 38 if len(names) in (1, 2, 4) else 26
        panel.set_title(short_name(name, longest), loc="left", fontweight="bold", fontsize=9.5)


def outer_labels(axes: Sequence[Axes], x: str, y: str) -> None:
    """Axis titles below the lowest panels and beside the leftmost ones; the other panels have none."""
    for index, panel in enumerate(axes):
        spec = panel.get_subplotspec()
        assert spec is not None
        columns = spec.get_gridspec().ncols
        name_axes(panel, x if index + columns >= len(axes) else "", y if spec.is_first_col() else "")


def nothing(title: str, why: str) -> Figure:
    """A picture without data that says why there is none."""
    figure = new_figure(WIDTH, 2.0)
    headline(figure, title)
    say(figure, figure.subplots(), why)
    return figure
