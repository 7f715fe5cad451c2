"""A colour for each load, the same in every panel of a picture, and the legend that names them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fmbench_lib.metrics.missing import Row
from fmbench_lib.report.figures.style import key, spread
from fmbench_lib.report.level_order import Rows, is_rate, load_order, short_load

if TYPE_CHECKING:
    from matplotlib.lines import Line2D


MOST_LOADS = 8
"""Of more loads than this a legend names some, evenly spread; their colours are in order."""


@dataclass(frozen=True, slots=True)
class LoadColours:
    """Loads by name, from low to high, closed loops first, each with its level's row and its colour."""

    rows: dict[str, Row]
    colours: dict[str, Any]

    @property
    def order(self) -> list[str]:
        """The loads from low to high."""
        return list(self.rows)

    @property
    def markers(self) -> dict[str, str]:
        """A circle for a closed loop, a diamond for a rate."""
        return {load: "D" if is_rate(row) else "o" for load, row in self.rows.items()}

    @property
    def dashes(self) -> dict[str, tuple[int, int] | str]:
        """A solid line for a closed loop, a dashed one for a rate."""
        return {load: (4, 2) if is_rate(row) else "" for load, row in self.rows.items()}

    def legend(self, shown: Collection[str], **style: Any) -> list[list[Line2D]]:
        """The entries of the loads that are shown: those of closed loops, then those of rates."""
        groups: list[list[Line2D]] = [[], []]
        drawn = [load for load in self.rows if load in shown]
        named = [drawn[place] for place in sorted(spread(len(drawn), MOST_LOADS))]
        for load, row in self.rows.items():
            if load in named:
                rate = is_rate(row)
                label = f"{short_load(row).removesuffix('/s')} {'requests/s' if rate else 'in flight'}"
                line = {"marker": self.markers[load], "linestyle": "", "markersize": 7} | style
                if rate and line["linestyle"]:
                    line["linestyle"] = "--"
                groups[rate].append(key(label, color=self.colours[load], **line))
        if len(named) < len(drawn):
            groups[-1].append(key("loads between these: colours in between", linestyle=""))
        return groups


def load_colours(rows: Rows) -> LoadColours:
    """Colours from light to dark with the load, on a scale that is readable with any kind of colour vision."""
    import matplotlib as mpl

    loads: dict[str, Row] = {str(row["load"]): row for row in sorted(rows, key=load_order)}
    scale = mpl.colormaps["viridis_r"]
    if len(loads) == 1:
        return LoadColours(loads, dict.fromkeys(loads, scale(0.6)))
    last = max(1, len(loads) - 1)
    return LoadColours(loads, {load: scale(0.12 + 0.88 * index / last) for index, load in enumerate(loads)})
