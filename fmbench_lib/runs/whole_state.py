"""The state of a run that is to be opened: with all that opening it needs."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench_lib.errors import RunStateError
from fmbench_lib.run_state import RunState
from fmbench_lib.workspace import Workspace

_TEXTS = ("run_id", "config_file", "config_sha256")
_MAPPINGS = ("arguments", "standard")


def whole_state(workspace: Workspace) -> RunState:
    """The run's state. Raises RunStateError where it is damaged, or does not say what the run was made from."""
    state = workspace.read_run()
    lacking = [name for name in _TEXTS if not isinstance(state.get(name), str)]
    lacking += [name for name in _MAPPINGS if not isinstance(state.get(name, {}), Mapping)]
    if lacking:
        raise RunStateError(f"cannot read the run's state in {workspace.run_file}: it has no {lacking[0]}")
    return state
