"""Labels beside points that overlap no other label, and neither points nor lines where there is any room."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Boxes: TypeAlias = np.ndarray
"""Boxes on the canvas: a row each, with left, bottom, right and top in pixels."""

_NEAR = 7.0
"""Typographic points between a point and its label; more for a bold one, whose point has a ring."""
_RINGS = (1.0, 1.8, 2.8, 4.2, 6.0)
"""How many times as far away a label may be."""
_ALIGNMENTS = ((0, 0.5), (1, 0.5), (0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0), (0.5, 1))
"""Which place of a label is next to its point, as shares of its width and height, the preferred first."""
_PREFERRED = (0, 2, 3, 4, 5, 6, 7, 1)
_GRID = 24
"""Places tried across the axes, and up them, for a label that has no free place nearby."""
_POINT, _RING = 5.0, 10.0
"""Typographic points that a point reaches around its place, and one with a ring."""
_INSET = 3.0
"""Typographic points between a label and the edge of the axes, or a text on its left or right."""
_LED = 18.0
"""From so many typographic points on, a thin line leads from a label to its point."""
_ON_LABEL, _ON_POINT, _ON_LINE, _OUTSIDE = 1000.0, 60.0, 25.0, 10_000.0
_AWAY = 0.25
"""What a place costs by what it covers, and by each typographic point of distance."""
_MOST_COUNTED = 4
"""Pieces of lines that cross a label, of which more make it no worse."""
_MOST_CORNERS = 400
"""Corners of a line that are looked at; of longer lines some, evenly spread."""


@dataclass(frozen=True, slots=True)
class Label:
    """A text for the point (x, y), in data coordinates."""

    x: float
    y: float
    text: str
    colour: str
    bold: bool = False
    always: bool = False


@dataclass(frozen=True, slots=True)
class _Taken:
    """What labels should not cover: other texts, points, and the lines of the axes, all in pixels."""

    texts: Boxes
    points: Boxes
    segments: np.ndarray
    frame: np.ndarray
    scale: float
    """Pixels of a typographic point."""


def place_labels(
    axes: Axes, labels: Sequence[Label], points: Sequence[tuple[float, float]], size: float = 9
) -> list[Label]:
    """Draw the labels in order, and return those that did not fit and were left out. Those in bold have a ring.

    The axes must have their final limits and lines. Labels that are bold, or `always`, are drawn in any case: where
    there is no room beside their point, further away with a thin line to it.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    rings = [(label.x, label.y) for label in labels if label.bold]
    taken = _what_is_drawn(axes, points, rings, figure.dpi / 72)
    left_out = []
    for label in labels:
        box = _write(axes, label, taken, size)
        if box is None:
            left_out.append(label)
        else:
            taken = _with_label(taken, box, axes.transData.transform((label.x, label.y)))
    return left_out


def _what_is_drawn(axes: Axes, points: Sequence[tuple[float, float]], rings: Sequence[Any], scale: float) -> _Taken:
    around = [_around(axes, points, _POINT * scale), _around(axes, rings, _RING * scale)]
    texts = [text.get_window_extent().extents for text in axes.texts if text.get_text()]
    return _Taken(
        texts=np.array(texts, float).reshape(-1, 4),
        points=np.vstack(around),
        segments=_segments(axes),
        frame=np.array(axes.get_window_extent().padded(-_INSET * scale).extents),
        scale=scale,
    )


def _around(axes: Axes, points: Sequence[tuple[float, float]], reach: float) -> Boxes:
    at = axes.transData.transform(np.array(points, float).reshape(-1, 2))
    return np.hstack([at - reach, at + reach])


def _segments(axes: Axes) -> np.ndarray:
    """The pieces of all lines of the axes: a row each, with the places of both ends in pixels."""
    found = [np.empty((0, 4))]
    for line in axes.lines:
        corners = np.asarray(line.get_transform().transform_path(line.get_path()).vertices, float)
        corners = corners[np.isfinite(corners).all(axis=1)]
        if line.get_linestyle() == "None" or len(corners) < 2:
            continue
        if len(corners) > _MOST_CORNERS:
            corners = corners[np.linspace(0, len(corners) - 1, _MOST_CORNERS).astype(int)]
        found.append(np.hstack([corners[:-1], corners[1:]]))
    return np.concatenate(found)


def _with_label(taken: _Taken, box: np.ndarray, point: np.ndarray) -> _Taken:
    """With a label that was drawn, and the line from it to its point if it has one."""
    gap = np.array([_INSET, 0, -_INSET, 0]) * taken.scale
    texts = np.vstack([taken.texts, box - gap])
    if not _is_led(box, point, taken.scale):
        return replace(taken, texts=texts)
    leader = np.concatenate([np.clip(point, box[:2], box[2:]), point])
    return replace(taken, texts=texts, segments=np.vstack([taken.segments, leader]))


def _write(axes: Axes, label: Label, taken: _Taken, size: float) -> np.ndarray | None:
    """Draw a label at its best place and return its box; None where that covers something."""
    point = axes.transData.transform((label.x, label.y))
    width, height = _extent(axes, label, size)
    near = _NEAR * taken.scale * (1.7 if label.bold else 1.0)
    boxes: Boxes = np.array(list(_beside(point, width, height, near)))
    covers = _covers(boxes, point, taken)
    if covers.min() > 0 and (label.bold or label.always):
        boxes = np.vstack([boxes, _anywhere(taken.frame, width, height)])
        covers = _covers(boxes, point, taken)
    best = int(np.argmin(covers + _AWAY * _distances(boxes, point) / taken.scale))
    if covers[best] > 0 and not (label.bold or label.always):
        return None
    box: np.ndarray = boxes[best]
    _draw(axes, label, box, point, taken.scale, size)
    return box


def _beside(point: np.ndarray, width: float, height: float, near: float) -> Iterator[tuple[float, ...]]:
    """Boxes around a point, the nearest first."""
    for ring in _RINGS:
        for index in _PREFERRED:
            across, up = _ALIGNMENTS[index]
            straight = across == 0.5 or up == 0.5
            away = near * ring * (1.1 if straight else 0.8)
            left = point[0] - across * width + (0.5 - across) * 2 * away
            bottom = point[1] - up * height + (0.5 - up) * 2 * away
            yield left, bottom, left + width, bottom + height


def _anywhere(frame: np.ndarray, width: float, height: float) -> Boxes:
    """Boxes all over the axes."""
    lefts = np.linspace(frame[0], max(frame[0], frame[2] - width), _GRID)
    bottoms = np.linspace(frame[1], max(frame[1], frame[3] - height), _GRID)
    left, bottom = (each.ravel() for each in np.meshgrid(lefts, bottoms))
    return np.column_stack([left, bottom, left + width, bottom + height])


def _covers(boxes: Boxes, point: np.ndarray, taken: _Taken) -> np.ndarray:
    """What each box costs by what it, or the line from it to its point, covers."""
    outside = (boxes[:, :2] < taken.frame[:2] - 1).any(axis=1) | (boxes[:, 2:] > taken.frame[2:] + 1).any(axis=1)
    return np.asarray(
        _OUTSIDE * outside
        + _ON_LABEL * _overlaps(boxes, taken.texts)
        + _ON_POINT * _overlaps(boxes, taken.points)
        + _ON_LINE * _crossings(boxes, taken.segments)
        + _ON_POINT * _led_over(boxes, point, taken.texts)
    )


def _overlaps(boxes: Boxes, others: Boxes) -> np.ndarray:
    """How many of the others each box overlaps."""
    apart = (boxes[:, None, :2] >= others[None, :, 2:]) | (boxes[:, None, 2:] <= others[None, :, :2])
    return np.asarray((~apart.any(axis=2)).sum(axis=1))


def _crossings(boxes: Boxes, segments: np.ndarray) -> np.ndarray:
    """1 for each box that a line crosses, and half as much for each of a few further pieces of lines."""
    count = _hits(boxes, segments).sum(axis=1)
    return np.where(count > 0, 0.5 + 0.5 * np.minimum(count, _MOST_COUNTED), 0.0)


def _led_over(boxes: Boxes, point: np.ndarray, texts: Boxes) -> np.ndarray:
    """How many other texts the line from each box to its point would cross."""
    nearest = np.clip(point, boxes[:, :2], boxes[:, 2:])
    return np.asarray(_hits(texts, np.hstack([nearest, np.broadcast_to(point, nearest.shape)])).sum(axis=0))


def _hits(boxes: Boxes, segments: np.ndarray) -> np.ndarray:
    """Which segments touch which boxes: a row per box, a column per segment. Liang and Barsky's clipping of lines."""
    start, step = segments[None, :, :2], segments[None, :, 2:] - segments[None, :, :2]
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (boxes[:, None, :2] - start) / step, (boxes[:, None, 2:] - start) / step
    level = step == 0
    within = (start >= boxes[:, None, :2]) & (start <= boxes[:, None, 2:])
    low = np.where(level, np.where(within, -np.inf, np.inf), np.minimum(first, second)).max(axis=2)
    high = np.where(level, np.where(within, np.inf, -np.inf), np.maximum(first, second)).min(axis=2)
    return np.asarray(np.maximum(low, 0) <= np.minimum(high, 1))


def _distances(boxes: Boxes, point: np.ndarray) -> np.ndarray:
    """From the point to the nearest place of each box."""
    nearest = np.clip(point, boxes[:, :2], boxes[:, 2:])
    return np.asarray(np.hypot(*(nearest - point).T))


def _extent(axes: Axes, label: Label, size: float) -> tuple[float, float]:
    """Width and height of a label in pixels."""
    text = axes.text(0, 0, label.text, fontsize=size, fontweight="bold" if label.bold else "normal")
    box = text.get_window_extent()
    text.remove()
    return box.width, box.height


def _draw(axes: Axes, label: Label, box: np.ndarray, point: np.ndarray, scale: float, size: float) -> None:
    from matplotlib.patheffects import withStroke

    begins = (np.clip(point, box[:2], box[2:]) - box[:2]) / (box[2:] - box[:2])
    line: dict[str, Any] = {"arrowstyle": "-", "color": label.colour, "linewidth": 0.6, "alpha": 0.7, "shrinkA": 0}
    line |= {"relpos": tuple(begins), "shrinkB": 5}
    text = axes.annotate(
        label.text,
        (label.x, label.y),
        xytext=tuple((box[:2] - point) / scale),
        textcoords="offset points",
        ha="left",
        va="bottom",
        fontsize=size,
        color=label.colour,
        fontweight="bold" if label.bold else "normal",
        zorder=6,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
        arrowprops=line if _is_led(box, point, scale) else None,
    )
    text.set_in_layout(False)


def _is_led(box: np.ndarray, point: np.ndarray, scale: float) -> bool:
    """Whether a label is so far from its point that a line leads to it."""
    return math.hypot(*(np.clip(point, box[:2], box[2:]) - point)) > _LED * scale
