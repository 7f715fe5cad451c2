"""Between two levels: where a run pauses, and stops, when it is asked to (`runs/run_orders`)."""

from __future__ import annotations

import time
from collections.abc import Callable

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
