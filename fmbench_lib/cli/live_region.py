"""The lines at the bottom of a terminal that are drawn again in place, with what is printed above them.

The frame is laid out for the width that the terminal has now. Where it became narrower since the last frame, the
terminal has wrapped that frame's lines: as many rows are cleared as they take now.
"""

from __future__ import annotations

import io
import math
import os
import shutil
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from fmbench_lib.host.printable import printable

_ASCII = str.maketrans("━─·≈–…×", "=--~-.x")
_NO_COLOUR, _DUMB, _OFF = "NO_COLOR", ("dumb", "unknown"), ("", "0", "false")
_LEAST_WIDTH, _ASSUMED = 20, 80


def is_live(stream: TextIO, environment: dict[str, str] | None = None) -> bool:
    """Whether a stream is a terminal that can be redrawn: `CI` and `TERM=dumb` ask for plain lines."""
    known = os.environ if environment is None else environment
    in_ci = known.get("CI", "").lower() not in _OFF
    return stream.isatty() and not in_ci and known.get("TERM", "") not in _DUMB


def size_of(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of a terminal; of one that does not know them, 80 by 24."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = shutil.get_terminal_size((_ASSUMED, 24))
    return max(columns or _ASSUMED, _LEAST_WIDTH), rows or 24


def _rows(widths: Sequence[int], columns: int) -> int:
    """The rows that lines of these widths take where the terminal wraps them."""
    return sum(max(math.ceil(width / columns), 1) for width in widths)


class LiveRegion:
    """A frame of lines on a terminal. `size` gives its columns and rows."""

    def __init__(self, stream: TextIO, size: Callable[[], tuple[int, int]] | None = None) -> None:
        self._stream = stream
        self._size = size or (lambda: size_of(stream))
        self._frame: list[str] = []
        self._widths: list[int] = []
        self._printed: list[int] = []
        self._drawn_at = 0
        colourless = bool(os.environ.get(_NO_COLOUR))
        self._console = Console(
            file=io.StringIO(), force_terminal=True, color_system="standard", no_color=colourless,
            markup=False, emoji=False, highlight=False, legacy_windows=False,
        )  # fmt: skip

    @property
    def width(self) -> int:
        """The columns that a line may take: the last one stays free, as a full line may be wrapped."""
        return self._size()[0] - 1

    def draw(self, lines: Sequence[Text]) -> None:
        """Show these lines at the bottom, in place of the frame that was there."""
        lines = lines[: max(self._size()[1] - 1, 1)]
        frame = [self._rendered(line) for line in lines]
        if frame != self._frame or self.width != self._drawn_at:
            self._write(self._erased() + "\n".join(frame))
            self._frame, self._widths, self._drawn_at = (
                frame,
                [self._shown(line).cell_len for line in lines],
                self.width,
            )

    def print(self, lines: Sequence[Text]) -> None:
        """Print lines that stay, above the frame, which is drawn again."""
        printed = "".join(self._rendered(line) + "\n" for line in lines)
        self._write(self._erased() + printed + "\n".join(self._frame))
        self._printed += [self._shown(line).cell_len for line in lines]

    def print_again(self, lines: Sequence[Text]) -> None:
        """Put these lines in place of those that were printed since `clear`, as far as they are still on the screen."""
        columns, rows = self._size()
        above, frame = _rows(self._printed, columns), _rows(self._widths, columns)
        up = min(above + max(frame - 1, 0), rows - 1)
        fitting = list(lines) if above + frame <= rows else list(lines)[-max(rows - frame, 1) :]
        self._write("\r" + (f"\x1b[{up}A" if up else "") + "\x1b[J")
        self._frame, self._widths, self._printed = [], [], []
        self.print(fitting)

    def clear(self) -> None:
        """Take the frame away; what was printed above it stays as it is."""
        self._write(self._erased())
        self._frame, self._widths, self._printed = [], [], []

    def _erased(self) -> str:
        """What takes the cursor to the beginning of the frame and clears all that follows."""
        if not self._frame:
            return ""
        rows = _rows(self._widths, self._size()[0])
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "") + "\x1b[J"

    def _shown(self, line: Text) -> Text:
        """The line as it is written: nothing that a terminal obeys, and what its encoding lacks replaced."""
        shown = line.copy()
        plain = printable(line.plain)
        if (getattr(self._stream, "encoding", None) or "utf-8").lower().replace("-", "") not in ("utf8", "utf8sig"):
            plain = plain.translate(_ASCII)
        if plain != line.plain:
            shown = Text(plain) if len(plain) != len(line.plain) else Text(plain, spans=list(line.spans))
        shown.truncate(self.width, overflow="ellipsis")
        return shown

    def _rendered(self, line: Text) -> str:
        with self._console.capture() as capture:
            self._console.print(self._shown(line), end="", soft_wrap=True)
        return capture.get()

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
