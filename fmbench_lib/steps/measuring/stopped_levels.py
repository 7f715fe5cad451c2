"""The levels of a run that were stopped before their end, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator

from fmbench_lib.load.recording.level_parts import stopped_level
from fmbench_lib.workspace import LevelKey, Workspace


def stopped_levels(workspace: Workspace) -> Iterator[tuple[LevelKey, int]]:
    """Each with the number of its measured requests that are kept; the rest of it is sent when the run is resumed."""
    for folder in workspace.stopped_levels():
        level = stopped_level(folder)
        if level is not None:
            facts = level.facts
            yield LevelKey(facts["experiment_name"], facts["payload_file"], facts["load"]), level.kept


def kept_lines(workspace: Workspace) -> list[str]:
    """What is kept of levels that were stopped, a line each."""
    return [
        f"kept: {kept} requests of {' · '.join(key)}; --resume sends the others"
        for key, kept in stopped_levels(workspace)
    ]
