"""Labels beside points that overlap neither each other nor the points, as far as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

_OFFSETS = (
    (7, 5, "left", "bottom"),
    (-7, 5, "right", "bottom"),
    (7, -5, "left", "top"),
    (-7, -5, "right", "top"),
    (0, 9, "center", "bottom"),
    (0, -9, "center", "top"),
    (10, 0, "left", "center"),
    (-10, 0, "right", "center"),
    (18, 12, "left", "bottom"),
    (-18, 12, "right", "bottom"),
    (18, -12, "left", "top"),
    (-18, -12, "right", "top"),
)
"""Offsets (in typographic points) and alignments of a label; the first free one is used."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text for the point (x, y), in data coordinates."""

    x: float
    y: float
    text: str
    colour: str
    bold: bool = False
    always: bool = False


def place_labels(
    axes: Axes, labels: Sequence[Label], points: Sequence[tuple[float, float]], size: float = 9
) -> list[Label]:
    """Draw the labels in order, and return those that did not fit and were left out.

    The axes must have their final limits. Labels that are bold, or `always`, are drawn where they overlap least.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    taken = [_around(axes, point) for point in points]
    left_out = []
    for label in labels:
        box = _write(axes, label, taken, size)
        if box is None:
            left_out.append(label)
        else:
            taken.append(box)
    return left_out


def _write(axes: Axes, label: Label, taken: Sequence[Bbox], size: float) -> Bbox | None:
    from matplotlib.patheffects import withStroke

    best: tuple[int, Any, Bbox] | None = None
    reach = 1.7 if label.bold else 1.0
    for dx, dy, horizontal, vertical in _OFFSETS:
        text = axes.annotate(
            label.text,
            (label.x, label.y),
            xytext=(dx * reach, dy * reach),
            textcoords="offset points",
            ha=horizontal,
            va=vertical,
            fontsize=size,
            color=label.colour,
            fontweight="bold" if label.bold else "normal",
            zorder=6,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )
        text.set_in_layout(False)
        box = text.get_window_extent()
        clashes = sum(box.overlaps(other) for other in taken) + 100 * (not _inside(axes, box))
        text.remove()
        if best is None or clashes < best[0]:
            best = (clashes, text, box)
        if clashes == 0:
            break
    assert best is not None
    if best[0] and not (label.bold or label.always):
        return None
    axes.add_artist(best[1])
    return best[2]


def _around(axes: Axes, point: tuple[float, float]) -> Bbox:
    """The area of a marker on the canvas, in pixels."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform(point)
    reach = 5 * axes.get_figure(root=True).dpi / 72  # type: ignore[union-attr]
    return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)


def _inside(axes: Axes, box: Bbox) -> bool:
    frame = axes.get_window_extent()
    return bool(box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1)
