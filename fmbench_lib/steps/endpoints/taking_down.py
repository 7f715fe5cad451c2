"""Deleting what a run deployed: with nothing imported that takes long, no kernel, and no need to write anything."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.endpoints_file import known_endpoints, record_if_possible, still_standing
from fmbench_lib.errors import explained
from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Deletion:
    """What became of an endpoint: `outcome` in words, and the error where it could not be deleted."""

    endpoint: Endpoint
    outcome: str
    error: str | None = None


def delete_all(workspace: Workspace) -> list[Deletion]:
    """Delete every endpoint that the run created, and nothing else."""
    return [_deleted(workspace, endpoint) for endpoint in known_endpoints(workspace).values()]


def take_down(run: Run) -> list[str]:
    """Delete what the run still has standing; returns a line for each endpoint that could not be deleted."""
    left = still_standing(known_endpoints(run.workspace).values())
    deletions = [_deleted(run.workspace, endpoint) for endpoint in left]
    return failures(run.workspace, deletions)


def failures(workspace: Workspace, deletions: list[Deletion]) -> list[str]:
    """For each endpoint that could not be deleted: which, why, and the command to try it again."""
    again = f"try again with: fmbench cleanup {shlex.quote(str(workspace.path))}"
    return [
        f"{each.endpoint.experiment_name}: could not be deleted and may still cost money: {each.error}; {again}"
        for each in deletions
        if each.error is not None
    ]


def _deleted(workspace: Workspace, endpoint: Endpoint) -> Deletion:
    if not endpoint.owned:
        return Deletion(endpoint, "not made by this run, left as it is")
    if endpoint.deleted_at is not None:
        return Deletion(endpoint, "deleted before")
    try:
        record_if_possible(workspace, platform(endpoint.platform).delete(endpoint))
    except Exception as failure:  # noqa: BLE001 - it costs this endpoint alone: the others are still to be deleted
        return Deletion(endpoint, "failed", explained(failure))
    return Deletion(endpoint, "deleted")
