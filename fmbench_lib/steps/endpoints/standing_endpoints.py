"""What a run deployed and has not deleted yet, for whoever pays for it."""

from __future__ import annotations

import shlex

from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.endpoints_file import known_endpoints, still_standing
from fmbench_lib.deploy.standing_record import recorded_outside, standing_runs
from fmbench_lib.workspace import Workspace


def standing_lines(workspace: Workspace) -> list[str]:
    """What the run created and has not deleted, and the command that deletes it; one line each."""
    return [
        f"still running and costing money: {endpoint.experiment_name} on {endpoint.platform} "
        f"({_addresses(endpoint)}); delete it with: fmbench cleanup {shlex.quote(str(workspace.path))}"
        for endpoint in still_standing(known_endpoints(workspace).values())
    ]


def _addresses(endpoint: Endpoint) -> str:
    here = ", ".join(endpoint.urls)
    if not endpoint.remote_urls:
        return here
    return f"{here}; measured from another machine with ep_name: {', '.join(endpoint.remote_urls)}"


def standing_of_all_runs() -> list[str]:
    """The `standing_lines` of all runs of this machine, also of those whose directories are gone."""
    return [line for run in standing_runs() for line in standing_lines(Workspace(run.path))]


def is_recorded_outside(workspace: Workspace) -> bool:
    """Whether something that a run deployed is recorded outside its directory, so that it can be deleted without it."""
    return bool(recorded_outside(workspace.path))
