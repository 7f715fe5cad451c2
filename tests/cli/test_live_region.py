"""The live region, as a terminal shows what it writes."""

from __future__ import annotations

import io
from typing import Any

import pyte
import pytest
from rich.text import Text

from fmbench_lib.cli.live_region import LiveRegion, is_live


class Terminal:
    """A terminal: what is written to it is on its screen; it wraps lines that are too long when it is made narrower."""

    def __init__(self, columns: int, rows: int = 12) -> None:
        self.written = io.StringIO()
        self.columns, self.rows = columns, rows
        self.region = LiveRegion(self.written, lambda: (self.columns, self.rows))
        self._make()

    def _make(self) -> None:
        self._screen = pyte.Screen(self.columns, self.rows)
        self._stream = pyte.Stream(self._screen)
        self._screen.set_mode(pyte.modes.LNM)

    def shown(self) -> list[str]:
        """The lines of the screen, without the empty ones at its end."""
        self._stream.feed(self.written.getvalue())
        self.written.seek(0)
        self.written.truncate()
        return [
            line.rstrip() for line in "\n".join(line.rstrip() for line in self._screen.display).rstrip().split("\n")
        ]

    def resize(self, columns: int) -> None:
        """Make it wider or narrower: lines that no longer fit are wrapped, as most terminals do."""
        lines = self.shown()
        self.columns = columns
        self._make()
        self._stream.feed("\n".join(lines))


def texts(*lines: str) -> list[Text]:
    return [Text(line) for line in lines]


def test_the_frame_is_replaced_and_what_is_printed_stays_above_it() -> None:
    terminal = Terminal(40)
    terminal.region.draw(texts("level 1", "20%"))
    assert terminal.shown() == ["level 1", "20%"]
    terminal.region.draw(texts("level 1", "40%", "3 errors"))
    terminal.region.print(texts("level 0: done"))
    assert terminal.shown() == ["level 0: done", "level 1", "40%", "3 errors"]
    terminal.region.draw(texts("level 2"))
    assert terminal.shown() == ["level 0: done", "level 2"]
    terminal.region.clear()
    assert terminal.shown() == ["level 0: done"]


def test_a_frame_that_has_not_changed_is_not_written_again() -> None:
    terminal = Terminal(40)
    terminal.region.draw(texts("level 1"))
    terminal.shown()
    terminal.region.draw(texts("level 1"))
    assert terminal.written.getvalue() == ""


@pytest.mark.parametrize("narrow", [21, 30, 59])
def test_after_a_resize_nothing_of_the_wider_frame_is_left(narrow: int) -> None:
    terminal = Terminal(100)
    terminal.region.print(texts("before"))
    terminal.region.draw(texts("a" * 90, "b" * 70, "short"))
    assert terminal.shown() == ["before", "a" * 90, "b" * 70, "short"]
    terminal.resize(narrow)
    terminal.region.draw(texts("a" * 15, "new"))
    assert terminal.shown() == ["before", "a" * 15, "new"]


def test_lines_are_printed_again_in_place_of_those_of_another_width() -> None:
    terminal = Terminal(100)
    terminal.written.write("$ fmbench run\n")
    terminal.region.print(texts("x" * 95, "y" * 60))
    terminal.region.draw(texts("frame"))
    terminal.shown()
    terminal.resize(50)
    terminal.region.print_again(texts("x" * 40, "y" * 40))
    terminal.region.draw(texts("frame"))
    assert terminal.shown() == ["$ fmbench run", "x" * 40, "y" * 40, "frame"]


def test_lines_that_do_not_fit_on_the_screen_are_not_printed_again() -> None:
    terminal = Terminal(60, rows=5)
    terminal.region.print(texts(*(f"line {number}" for number in range(9))))
    terminal.region.draw(texts("frame"))
    terminal.resize(40)
    terminal.region.print_again(texts(*(f"line {number}" for number in range(9))))
    terminal.region.draw(texts("frame"))
    assert terminal.shown() == ["line 5", "line 6", "line 7", "line 8", "frame"]


def test_nothing_that_a_terminal_obeys_is_written_and_a_long_line_is_cut() -> None:
    terminal = Terminal(40)
    terminal.region.draw(texts("a\x1b[2Jb\x9bHc\nd\u202ee", "w" * 80))
    assert terminal.shown() == ["abc de", "w" * 38 + "…"]


def test_wide_characters_take_two_columns() -> None:
    terminal = Terminal(40)
    terminal.region.draw(texts("模" * 30, "end"))
    first, last = terminal.shown()
    assert len(first) <= 20
    assert last == "end"


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> str:
        stream = io.StringIO()
        LiveRegion(stream, lambda: (40, 10)).draw([Text("bad", "red")])
        return stream.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in written()
    monkeypatch.setenv("NO_COLOR", "1")
    assert written() == "bad"


def test_what_an_encoding_lacks_is_written_in_ascii() -> None:
    stream: Any = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    LiveRegion(stream, lambda: (40, 10)).draw(texts("━━── · ≈ 5 ms"))
    assert stream.buffer.getvalue() == b"==-- - ~ 5 ms"


@pytest.mark.parametrize(
    ("environment", "live"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "CI": "true"}, False),
        ({"TERM": "xterm", "CI": "1"}, False),
        ({"TERM": "xterm", "CI": "false"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True),
    ],
)
def test_a_terminal_that_cannot_be_redrawn_gets_plain_lines(environment: dict[str, str], live: bool) -> None:
    stream: Any = io.StringIO()
    assert not is_live(stream, environment)
    stream.isatty = lambda: True
    assert is_live(stream, environment) is live
