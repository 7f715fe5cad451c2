"""The frame of the live view: the level that is being measured, laid out for a width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from fmbench_lib.views.live_view import LiveView

_SEPARATOR = " · "
_LEAST_BAR = 10


def frame_of(step: str, seconds: float, view: LiveView | None, width: int) -> list[Text]:
    """The lines of the view; without a level, how long the step has been running."""
    if view is None:
        return [Text.assemble((step, "bold"), f" · {seconds:.0f} s")]
    title = Text.assemble((view.position, "bold"), _SEPARATOR, view.level)
    return [shortened(title, width), _bar(view, width), *_figures(view, width)]


def shortened(text: Text, width: int) -> Text:
    """A line without its middle where it is too long: names mostly differ at their ends."""
    if text.cell_len <= width:
        return text
    keep = (width - 1) // 2
    head, tail = text.copy(), text.copy()
    head.truncate(keep)
    while tail.cell_len > width - 1 - keep:
        tail = tail[1:]
    return Text.assemble(head, "…", tail)


def _bar(view: LiveView, width: int) -> Text:
    if view.share is None:
        return Text(view.requests)
    told = f" {view.share:4.0%} {_SEPARATOR.strip()} {view.requests}"
    room = min(width - cell_len(told), 60)
    if room < _LEAST_BAR:
        return Text(told.strip())
    done = round(view.share * room)
    return Text.assemble(("━" * done, "green"), ("─" * (room - done), "bright_black"), told)


def _figures(view: LiveView, width: int) -> Iterator[Text]:
    """The figures and what is left, in as many lines as they need, broken between figures only."""
    failed = not view.figures[1].startswith("0 ")
    whole = flowed([*view.figures, *view.left], width)
    for line in whole if len(whole) == 1 else [*flowed(view.figures, width), *flowed(view.left, width)]:
        text = Text(line)
        if failed:
            text.highlight_words([view.figures[1]], "red")
        for left in view.left:
            text.highlight_words([left], "cyan")
        yield text


def flowed(parts: Sequence[str], width: int) -> list[str]:
    """The parts in lines of at most `width` columns; a part that is longer has a line of its own."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{_SEPARATOR}{part}" if lines else part
        if lines and cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines
