"""What is to end a run while its notebooks are executed, a signal or `fmbench stop`: counted, so that the pipeline can
pass it on in order."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

_ENDING = (
    "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU",
    "SIGPWR", "SIGIO",
)  # fmt: skip
"""Those whose default is to end the process, as far as the system has them and they can be received."""


_STOPPED = "stopped by `fmbench stop`"
_MEANINGS = {
    signal.SIGINT: "interrupted",
    signal.SIGHUP: "interrupted, as its terminal was closed (SIGHUP)",
}


class Interrupts:
    """Counts Ctrl-C and termination signals while it is entered, instead of letting them end the process; and once that
    `is_to_stop` says so, which is asked by `look`, in any thread. `why` says in words what came first, empty while
    nothing has.

    A closed terminal's SIGHUP stays ignored where it was (`nohup`).
    """

    def __init__(self, is_to_stop: Callable[[], bool] = lambda: False) -> None:
        self.count = 0
        self.why = ""
        self._is_to_stop = is_to_stop
        self._told = False
        self._looking = threading.Lock()
        self._previous: dict[int, Any] = {}

    def look(self) -> int:
        """How many there have been by now."""
        with self._looking:
            if not self._told and self._is_to_stop():
                self._told = True
                self._note(_STOPPED)
        return self.count

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in _ENDING if hasattr(signal, name)):
                if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                with contextlib.suppress(OSError, ValueError):
                    self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._note(_MEANINGS.get(signal.Signals(number), f"interrupted by {signal.Signals(number).name}"))

    def _note(self, why: str) -> None:
        self.count += 1
        self.why = self.why or why
