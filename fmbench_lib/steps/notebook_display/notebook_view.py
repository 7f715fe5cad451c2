"""The live view of the levels in a notebook: in place where a person watches, as plain lines where nobody does.

A frontend that a person sits at says with each cell that it could ask for input; papermill, nbconvert and the pipeline
say that they cannot. There, and in plain Python, each level that ends is a line, which `papermill --log-output` logs.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from fmbench_lib.host.atomic_files import each_text
from fmbench_lib.host.printable import printable
from fmbench_lib.runs.progress import LevelEvent, LiveLevel
from fmbench_lib.runs.run import Run
from fmbench_lib.views.live_view import failed_line, finished_line
from fmbench_lib.views.notebook_html import live_html, live_text

_LEAST_S = 0.4
"""Between two updates of the view: a frontend draws each of them."""


class LevelView:
    """What shows the levels while they are measured, here nothing, as to a script. The mappings are those of
    `runs/progress` and of events."""

    def waits(self, text: str) -> None:
        """What is done before a level has figures."""

    def show(self, level: LiveLevel) -> None:
        """How far a level is."""

    def measured(self, facts: LevelEvent) -> None:
        """A level has been measured."""

    def failed(self, facts: LevelEvent) -> None:
        """A level could not be measured."""

    def end(self) -> None:
        """No more levels come."""


class PlainView(LevelView):
    """A line for each level that has ended."""

    def __init__(self, cleaned: Callable[[str], str]) -> None:
        self._cleaned = cleaned

    def measured(self, facts: LevelEvent) -> None:
        """A level has been measured."""
        print(self._cleaned(finished_line(facts)), flush=True)

    def failed(self, facts: LevelEvent) -> None:
        """A level could not be measured."""
        print(self._cleaned(failed_line(facts)), flush=True)


class HandleView(LevelView):
    """An output that is replaced as the levels go on. `display(bundle)` shows one and returns its handle; a frontend
    that has gone away does not cost the measurement anything."""

    def __init__(
        self, display: Callable[[Any], Any], cleaned: Callable[[str], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cleaned, self._clock = cleaned, clock
        self._display = display
        self._handle: Any = None
        self._rows: list[LevelEvent] = []
        self._level: LiveLevel | None = None
        self._waiting = ""
        self._updated = -_LEAST_S

    def waits(self, text: str) -> None:
        """What is done before a level has figures."""
        self._waiting, self._level = self._cleaned(text), None
        self._update()

    def show(self, level: LiveLevel) -> None:
        """How far a level is, unless the view has just been updated."""
        self._level = level
        if self._clock() - self._updated >= _LEAST_S:
            self._update()

    def measured(self, facts: LevelEvent) -> None:
        """A level has been measured: it is a row from now on."""
        self._add(facts)

    def failed(self, facts: LevelEvent) -> None:
        """A level could not be measured: it is a row from now on, with the reason."""
        self._add(facts)

    def end(self) -> None:
        """Leave the rows."""
        self._level, self._waiting = None, ""
        if self._handle is not None:
            self._update()

    def _add(self, facts: LevelEvent) -> None:
        self._rows.append(each_text(facts, self._cleaned))
        self._level, self._waiting = None, ""
        self._update()

    def _update(self) -> None:
        self._updated = self._clock()
        rows, level = self._rows, each_text(self._level, self._cleaned)
        shown = (rows, level, self._waiting)
        bundle = {"text/plain": live_text(*shown), "text/html": live_html(*shown)}
        with contextlib.suppress(Exception):
            if self._handle is None:
                self._handle = self._display(bundle)
            else:
                self._handle.update(bundle, raw=True)


def view_of_session(run: Run) -> LevelView:
    """The view for what runs this process: a notebook with a person before it, one without, or a script."""
    session = _session()
    if session is None:
        return LevelView()

    def cleaned(text: str) -> str:
        return printable(run.redactor.in_content(text))

    if not _is_watched(session):
        return PlainView(cleaned)
    return HandleView(_displayed, cleaned)


def _session() -> Any:
    """The IPython session in a kernel, None elsewhere."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    session = get_ipython()
    return session if getattr(session, "kernel", None) is not None else None


def _is_watched(session: Any) -> bool:
    try:
        return bool(session.kernel.get_parent("shell")["content"]["allow_stdin"])
    except (AttributeError, KeyError, TypeError):
        return False


def _displayed(bundle: Any) -> Any:
    from IPython.display import display

    return display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
