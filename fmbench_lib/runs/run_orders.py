"""What is asked of a run that another process executes: to pause, to stop.

The order is a file in the run's directory, so that it reaches a run on a terminal, in a notebook, or on another machine
that shares the folder. Whoever executes the run looks for it several times a second.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Literal, TypeAlias, TypedDict, get_args

from fmbench_lib.errors import RunStateError
from fmbench_lib.host.atomic_files import write_json
from fmbench_lib.workspace import Workspace

Order: TypeAlias = Literal["pause", "pause now", "stop"]
"""`pause`: measure no further level until the run is resumed. `pause now`: the same, and end the one that is being
measured, which goes on later. `stop`: end that one and the run, as Ctrl-C does."""


class OrderFile(TypedDict):
    """The content of the file. `at` is a UTC time in ISO 8601."""

    order: Order
    at: str


def give_order(workspace: Workspace, order: Order) -> None:
    """Ask this of the run; an earlier order is replaced. Raises RunStateError where that cannot be written."""
    content: OrderFile = {"order": order, "at": datetime.now(UTC).isoformat()}
    try:
        write_json(workspace.orders_file, content)
    except OSError as error:
        raise RunStateError(
            f"cannot write {workspace.orders_file}, by which the run is asked to {order}: {error.strerror}; Ctrl-C "
            "where it was started stops it"
        ) from None


def current_order(workspace: Workspace) -> Order | None:
    """What is asked of the run, None where nothing is."""
    try:
        order = json.loads(workspace.orders_file.read_bytes())["order"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return order if order in get_args(Order) else None


def is_to_stop(workspace: Workspace) -> bool:
    """Whether the run is asked to stop."""
    return current_order(workspace) == "stop"


def is_to_pause(workspace: Workspace) -> bool:
    """Whether the run is asked to pause, at once or before its next level."""
    return current_order(workspace) in ("pause", "pause now")


def withdraw_order(workspace: Workspace) -> None:
    """Ask nothing of the run any more. Raises RunStateError where the order cannot be removed."""
    try:
        workspace.orders_file.unlink(missing_ok=True)
    except OSError as error:
        raise RunStateError(f"cannot remove {workspace.orders_file}: {error.strerror}") from None
