"""Keeping a run from being executed while something else is done with it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from fmbench_lib.errors import RunStateError
from fmbench_lib.workspace import Workspace


@contextlib.contextmanager
def not_being_measured(workspace: Workspace) -> Iterator[None]:
    """Keep a run from being executed during the block. Raises RunStateError where another process executes it."""
    with contextlib.ExitStack() as held:
        for name, patience in (("pipeline", 0.0), ("step", 1.0)):  # the kernel of a run that was killed is ending
            try:
                held.enter_context(workspace.locked(name, patience))
            except RunStateError:
                raise RunStateError(
                    f"{workspace.path} is being measured by another process: interrupt that one (Ctrl-C), which "
                    "deletes what the run deployed, or wait for its end"
                ) from None
        yield
