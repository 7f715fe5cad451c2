"""The names of lines beside their ends, in a column that is spread so that no two touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = 8.5
"""Typographic points of a name."""
_CHARACTER, _LEADER, _LINE = 0.62, 12.0, 1.25
"""Width of a character and height of a line, as shares of the size; typographic points of a leader."""


@dataclass(frozen=True, slots=True)
class LineEnd:
    """The last point of a line, in data coordinates, and what the line is called."""

    x: float
    y: float
    name: str
    colour: str


def room_for_names(names: Sequence[str], inches: float) -> float:
    """The share of axes so many inches wide that a column of these names takes, at most half."""
    points = max(map(len, names), default=0) * _CHARACTER * SIZE + _LEADER
    return min(points / 72 / inches, 0.5)


def name_line_ends(axes: Axes, ends: Sequence[LineEnd], x: float) -> None:
    """Write each name to the right of `x` at the height of its line's end, or near it, with a thin line between them.

    The axes must have their final limits and their final place, legends included, with room on the right
    (`room_for_names`).
    """
    if not ends:
        return
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    pixels = figure.dpi / 72
    frame, gap = axes.get_window_extent(), SIZE * _LINE * pixels
    places = [axes.transData.transform((end.x, end.y)) for end in ends]
    column = float(axes.get_xaxis_transform().transform((x, 0))[0]) + _LEADER * pixels
    heights = spread_apart([float(y) for _, y in places], gap, frame.y0 + gap / 2, frame.y1 - gap / 2)
    for end, place, height in zip(ends, places, heights, strict=True):
        leader: dict[str, Any] = {"arrowstyle": "-", "color": end.colour, "linewidth": 0.7, "alpha": 0.7}
        text = axes.annotate(
            end.name,
            (end.x, end.y),
            xytext=((column - place[0]) / pixels, (height - place[1]) / pixels),
            textcoords="offset points",
            va="center",
            fontsize=SIZE,
            color=end.colour,
            zorder=6,
            annotation_clip=False,
            arrowprops=leader | {"relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 4},
        )
        text.set_in_layout(False)


def spread_apart(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places that are `gap` apart, within `low` and `high` if there is room, as near to those wanted as they can be.

    The order is kept: places that are wanted too close together are moved apart around their middle.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    groups: list[list[float]] = []
    """Neighbours that touch: the sum of the starts that they want, and how many they are."""
    for place, index in enumerate(order):
        groups.append([wanted[index] - place * gap, 1])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, count = groups.pop()
            groups[-1] = [groups[-1][0] + total, groups[-1][1] + count]
    starts = [total / count for total, count in groups for _ in range(int(count))]
    last = high - (len(wanted) - 1) * gap
    found = dict(zip(order, (max(low, min(start, last)) for start in starts), strict=True))
    return [found[index] + order.index(index) * gap for index in range(len(wanted))]
