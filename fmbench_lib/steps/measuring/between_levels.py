"""Where a run pauses, and stops, when it is asked to by an order (`runs/run_orders`) or by Ctrl-C: between two levels,
or inside one, which is then ended in order."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from fmbench_lib.load.sending.early_stop import INTERRUPTED, Stop
from fmbench_lib.runs.run_orders import current_order, is_to_pause, is_to_stop, withdraw_order
from fmbench_lib.steps.measuring.level_watch import LevelWatch
from fmbench_lib.workspace import Workspace

_LOOK_S = 0.5


def begin_unstopped(workspace: Workspace) -> None:
    """Forget an order to stop that was given while nothing was being executed: whoever begins a step wants it done."""
    if current_order(workspace) == "stop":
        withdraw_order(workspace)


def obey_orders(workspace: Workspace, watch: LevelWatch, wait: Callable[[float], None] = time.sleep) -> None:
    """Wait while the run is asked to pause. Raises KeyboardInterrupt where it is asked to stop, as Ctrl-C does."""
    if is_to_pause(workspace):
        watch.pause()
        while is_to_pause(workspace):
            wait(_LOOK_S)
        watch.go_on()
    if is_to_stop(workspace):
        raise KeyboardInterrupt("stopped by `fmbench stop`")


class EndInOrder:
    """While it is entered the first Ctrl-C raises nothing, and a second one KeyboardInterrupt at once. Called, it tells
    whether the level that is being measured is to end, and why. `interrupted`: Ctrl-C came."""

    def __init__(self, workspace: Workspace) -> None:
        self.interrupted = False
        self._workspace = workspace
        self._before: Any = None

    def __call__(self) -> Stop | None:
        order = current_order(self._workspace)
        if self.interrupted or order == "stop":
            return Stop(INTERRUPTED, "the run was stopped")
        return Stop(INTERRUPTED, "the run is to pause") if order == "pause now" else None

    def __enter__(self) -> EndInOrder:
        if threading.current_thread() is threading.main_thread():  # which alone has signals
            self._before = signal.signal(signal.SIGINT, self._receive)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True
