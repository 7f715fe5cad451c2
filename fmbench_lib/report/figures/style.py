"""The common style of all pictures: fonts, colours that are distinguishable with any colour vision, legends, axes."""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fmbench_lib.report.markdown import one_line
from fmbench_lib.report.numbers import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

INK = "#1f2430"
GREY = "#6b7280"
PALE = "#d7dbe0"
BUDGET = "#b3261e"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6a3d9a", "#7f6a3f")
"""The palette of Okabe and Ito without yellow (invisible on white) and black (used for text), plus two darker ones."""
Dash = Literal["-", "--", ":"]
DASHES: tuple[Dash, ...] = ("-", "--", ":")
TITLE, SUBTITLE = 9.2, 14
"""Characters of a title, and of the line below it, on an inch."""
_CHARACTER, _GAP = 0.085, 0.07
"""Inches of a character of a tick label, and of the gap that labels need between them."""
_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=m?s\b|USD\b|requests/s\b)|(?<=concurrency) (?=\d)")
_JOINTS = " .-_"
"""Characters that are left out where a name is cut."""
_TALL = 20
"""Characters of a vertical title that leave room for the name of the scale on its line."""
BEYOND = (0, (6, 3))
"""The dashes of a budget's line."""
DPI = 150
WIDTH = 8.4
"""Inches of a picture: two of them stand beside each other in a report and can still be read."""
WIDE = 10.0
"""Inches of the one picture that stands alone."""

_STYLE: Any = {
    "figure.facecolor": "white",
    "axes.edgecolor": "#9aa1ab",
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.titlesize": 10.5,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e6e8eb",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": "#3d4451",
    "ytick.color": "#3d4451",
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    "xtick.bottom": False,
    "ytick.left": False,
    "font.family": "DejaVu Sans",
    "font.size": 10,
}


@dataclass(frozen=True, slots=True)
class Look:
    """The colour and the dash of an experiment, the same in every picture of a run."""

    colour: str
    dash: Dash


def looks(experiments: Sequence[str]) -> dict[str, Look]:
    """A look for each experiment: eight colours, then the same ones dashed, then dotted."""
    return {
        name: Look(COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)])
        for index, name in enumerate(experiments)
    }


def darkened(colour: Any, share: float = 0.45) -> str:
    """A colour in which a text can be read on white: mixed with the ink."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = ((1 - share) * own + share * ink for own, ink in zip(to_rgb(colour), to_rgb(INK), strict=True))
    return str(to_hex((red, green, blue)))


@contextmanager
def styled() -> Iterator[None]:
    """Apply the style for the time of a `with`; the settings before are restored afterwards.

    Characters that the font lacks show as boxes, without a warning for each.
    """
    import matplotlib as mpl

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+", category=UserWarning)
        # seaborn 0.13 passes its boxes to matplotlib with an argument that matplotlib 3.11 deprecates.
        warnings.filterwarnings(
            "ignore", message="vert: bool was deprecated", category=mpl.MatplotlibDeprecationWarning
        )
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, which pyplot does not manage."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0.004, 0.004, 0.992, 0.992))
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG; returns the path. It is drawn once, while `savefig` would draw it twice."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(path, metadata={"Software": "fmbench"})
    return path


def headline(figure: Figure, title: str, below: str = "") -> None:
    """A bold title at the top left and a line below it that explains the picture; the axes stay below both."""
    width, height = figure.get_size_inches()
    lines = wrapped(one_line(title), int(width * TITLE)) or [""]
    small = textwrap.wrap(below, int(width * SUBTITLE), break_on_hyphens=False)
    top = height - 0.1
    left: dict[str, Any] = {"va": "top", "ha": "left", "in_layout": False}
    figure.text(0.012, top / height, "\n".join(lines), fontsize=12.5, fontweight="bold", **left)
    top -= 0.23 * len(lines)
    figure.text(0.012, top / height, "\n".join(small), fontsize=9.5, color=GREY, linespacing=1.35, **left)
    _reserve(figure, above=0.2 + 0.23 * len(lines) + 0.19 * len(small))


def wrapped(text: str, longest: int) -> list[str]:
    """The lines of a text, of about equal length, so that no word is left alone.

    A name stays whole at its hyphens, and a number beside its unit or what it is the number of.
    """
    joined = _NUMBER_AND_UNIT.sub("\N{NO-BREAK SPACE}", text)
    lines = _broken(joined, longest)
    shortest = max([longest // 2, *map(len, joined.split(" "))])
    balanced = (_broken(joined, length) for length in range(shortest, longest))
    return next((found for found in balanced if len(found) == len(lines)), lines)


def _broken(text: str, longest: int) -> list[str]:
    lines = textwrap.wrap(text, longest, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def key(label: str, **style: Any) -> Line2D:
    """An entry of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **style)


def experiment_keys(experiments: Sequence[str], look: Mapping[str, Look]) -> list[Line2D]:
    """Legend entries of the experiments, by the colour and dash of their lines."""
    return [
        key(short_name(name, 40), color=look[name].colour, linestyle=look[name].dash, linewidth=2.2)
        for name in experiments
    ]


def legend_below(figure: Figure, *groups: Sequence[Line2D]) -> None:
    """Legends below the axes, a block per group, each in as many columns as its longest entry allows."""
    width, height = figure.get_size_inches()
    bottom = 0.06
    for entries in reversed([group for group in groups if group]):
        longest = max(len(str(entry.get_label())) for entry in entries)
        columns = max(1, min(len(entries), int(width * 12.4 / (longest + 7))))
        figure.legend(
            handles=list(entries),
            loc="lower left",
            bbox_to_anchor=(0.006, bottom / height),
            borderaxespad=0,
            borderpad=0.2,
            ncols=columns,
            columnspacing=1.8,
            handletextpad=0.6,
        ).set_in_layout(False)
        bottom += 0.2 * -(-len(entries) // columns) + 0.06
    _reserve(figure, below=bottom + 0.04)


def _reserve(figure: Figure, above: float = 0, below: float = 0) -> None:
    """Keep this many more inches free of axes at the top or at the bottom."""
    engine: Any = figure.get_layout_engine()
    left, bottom, width, height = engine.get()["rect"]
    inches = figure.get_figheight()
    engine.set(rect=(left, bottom + below / inches, width, height - (above + below) / inches))


def load_ticks(axes: Axes, labels: Sequence[str], inches: float) -> None:
    """Ticks 0, 1, … with these labels, of which those are left out that would touch the one before on `inches`.

    The first and the last are always shown.
    """
    step = inches / max(len(labels), 1)
    widths = [_GAP + _CHARACTER * max(map(len, label.split("\n"))) for label in labels]
    shown, end = [], float("-inf")
    last = len(labels) - 1
    for place, width in enumerate(widths):
        free = place * step - width / 2 > end
        before_last = place == last or (place * step + width / 2) < last * step - widths[last] / 2
        if place == last or (free and before_last):
            shown.append(place)
            end = place * step + width / 2
    axes.set_xticks(shown, [labels[place] for place in shown])


def spread(count: int, most: int) -> set[int]:
    """At most so many of `count` places, evenly spread, with the first and the last."""
    if count <= most:
        return set(range(count))
    return {round(index * (count - 1) / (most - 1)) for index in range(most)}


def name_axes(axes: Axes, x: str | None = None, y: str | None = None) -> None:
    """The titles of axes, with a word where a scale is logarithmic; None leaves one as it is."""
    for axis, title in ((axes.xaxis, x), (axes.yaxis, y)):
        if title is not None:
            log = axis.get_scale() == "log" and title
            joined = ",\n" if "\n" in title or (axis is axes.yaxis and len(title) > _TALL) else ", "
            axis.set_label_text(f"{title}{joined}log scale" if log else title)


def short_name(name: str, longest: int = 38) -> str:
    """A name of at most `longest` characters; a longer one loses its middle, as names mostly differ at the ends."""
    flat = one_line(name)
    if len(flat) <= longest:
        return flat
    tail = (longest - 1) // 2
    return f"{flat[: longest - 1 - tail].rstrip(_JOINTS)}…{flat[-tail:].lstrip(_JOINTS)}"


def plain_numbers(axis: Axis) -> None:
    """Plain numbers on the axis (0.05, 2, 1,500), on a logarithmic one too."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    def written(value: float, _: Any) -> str:
        return f"{value:,.0f}" if abs(value) >= 1000 else plain(round(value, 12))

    axis.set_major_formatter(FuncFormatter(written))
    axis.set_minor_formatter(NullFormatter())


def logarithmic(axis: Axis, low: float, high: float) -> None:
    """A logarithmic axis from `low` to `high`, with enough tick labels for any range."""
    from matplotlib.ticker import LogLocator, NullLocator

    horizontal = axis.axis_name == "x"  # type: ignore[attr-defined]
    (axis.axes.set_xscale if horizontal else axis.axes.set_yscale)("log")
    (axis.axes.set_xlim if horizontal else axis.axes.set_ylim)(low, high)
    numbers = (1, 2, 5) if high / low < 300 else (1, 3) if high / low < 3000 else (1,)
    axis.set_major_locator(LogLocator(base=10, subs=numbers))
    axis.set_minor_locator(NullLocator())
    plain_numbers(axis)


def within_sight(ends: Iterable[float], values: Sequence[float]) -> list[float]:
    """Ends of intervals as far as a scale has to reach for them: up to three times the greatest of the values.

    The interval of two repeats may reach so much further that everything else would be flat.
    """
    least, most = min(values, default=0.0) / 3, max(values, default=0.0) * 3
    return [min(max(end, least), most) for end in ends]


def wide_range(values: Sequence[float], factor: float = 8) -> bool:
    """Whether positive values span more than `factor`, so that a linear axis would crowd the small ones."""
    known = [value for value in values if value > 0]
    return bool(known) and len(known) == len(values) and max(known) > factor * min(known)


def say(figure: Figure, axes: Axes, text: str) -> None:
    """Write a text in the middle of axes that have no data."""
    axes.set_axis_off()
    wrapped = "\n".join("\n".join(textwrap.wrap(line, int(figure.get_figwidth() * 9))) for line in text.split("\n"))
    middle: dict[str, Any] = {"ha": "center", "va": "center", "transform": axes.transAxes}
    axes.text(0.5, 0.5, wrapped, fontsize=13, color=INK, linespacing=1.6, **middle)
