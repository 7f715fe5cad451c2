"""What a run deployed and has not deleted yet, for whoever pays for it."""

from __future__ import annotations

from fmbench_lib.deploy.endpoints_file import endpoints, still_standing
from fmbench_lib.workspace import Workspace


def standing_lines(workspace: Workspace) -> list[str]:
    """What the run created and has not deleted, and the command that deletes it; one line each."""
    return [
        f"still running and costing money: {endpoint.experiment_name} on {endpoint.platform} "
        f"({', '.join(endpoint.urls)}); delete it with: fmbench cleanup {workspace.path}"
        for endpoint in still_standing(endpoints(workspace).values())
    ]
