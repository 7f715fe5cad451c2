"""The names of distribution curves beside their medians, where they cannot be taken for those of other curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 4.0
"""Typographic points between a name and the curves on both sides of it."""
_CHARACTER, _LINE = 0.66, 1.2
"""Width of a character and height of a line, as shares of the size."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The values whose empirical distribution a curve shows, what the curve is called, and the colour of its name."""

    values: np.ndarray
    name: str
    colour: str


def name_curves(axes: Axes, curves: Sequence[Curve], size: float) -> list[str]:
    """Write names on the right of their curves below the median, or on the left above it: the curves lean away there.

    A name is left out where another curve comes between it and its own, or touches it. Returns those that are left
    out. The axes must have their final limits and their final place.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    left_out = []
    for curve in curves:
        others = [other for other in curves if other is not curve]
        side = next((side for side in (1, -1) if _is_free(axes, curve, others, size, side)), None)
        if side is None:
            left_out.append(curve.name)
            continue
        axes.annotate(
            curve.name,
            (_across(curve, 0.5), 0.5),
            xytext=(side * _GAP, -side),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="top" if side > 0 else "bottom",
            fontsize=size,
            color=curve.colour,
            zorder=6,
        )
    return left_out


def _is_free(axes: Axes, curve: Curve, others: Sequence[Curve], size: float, side: int) -> bool:
    """Whether no other curve passes between a curve and the far end of its name on this side, 1 right or -1 left."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    point = figure.dpi / 72
    at, frame = _pixels(axes, curve, 0.5), axes.get_window_extent()
    far = at + side * point * (2 * _GAP + len(curve.name) * _CHARACTER * size)
    if not frame.x0 <= far <= frame.x1:
        return False
    share = _LINE * size * point / frame.height
    shares = (0.5 - share, 0.5) if side > 0 else (0.5, 0.5 + share)
    near, end = sorted((at, far))
    return not any(
        _pixels(axes, other, shares[0]) <= end and _pixels(axes, other, shares[1]) >= near for other in others
    )


def _across(curve: Curve, share: float) -> float:
    return float(np.quantile(curve.values, share, method="inverted_cdf"))


def _pixels(axes: Axes, curve: Curve, share: float) -> float:
    """Where a curve reaches a share of its values, in pixels from the left."""
    return float(axes.transData.transform((_across(curve, share), share))[0])
