"""Standard output and errors that a command outlives: their reader may close them, and their disk may be full.

What a command does, and its exit code, do not depend on whether someone reads what it prints (`fmbench … | head`).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO, cast


class _Lasting:
    """A stream that swallows what can no longer be written. `lost` is called the first time, with the reason."""

    def __init__(self, stream: TextIO, lost: Callable[[OSError], None]) -> None:
        self._stream, self._lost = stream, lost
        self._gone = False

    def write(self, text: str) -> int:
        """Write a text if that is still possible; returns its length."""
        if not self._gone:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream if that is still possible."""
        if not self._gone:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._gone = True
        with contextlib.suppress(OSError, ValueError):  # what is still buffered goes nowhere, also at the exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        self._lost(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def lasting_output(command: str) -> Iterator[None]:
    """A block whose printing never fails. A run whose output is lost says so on standard error."""

    def output_lost(error: OSError) -> None:
        if command == "run":
            print(f"fmbench: standard output is lost ({error.strerror}); the run goes on without it", file=sys.stderr)

    before = sys.stdout, sys.stderr
    if sys.stderr is not None:
        sys.stderr = cast(TextIO, _Lasting(sys.stderr, lambda error: None))
    if sys.stdout is not None:
        sys.stdout = cast(TextIO, _Lasting(sys.stdout, output_lost))
    else:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    try:
        yield
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    finally:
        sys.stdout, sys.stderr = before
