"""What a run has deployed or found: `endpoints.json`, from which it is taken down again, by whatever process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fmbench_lib.atomic_files import read_json, write_json
from fmbench_lib.deploy.platform import Endpoint
from fmbench_lib.workspace import Workspace


def endpoints(workspace: Workspace) -> dict[str, Endpoint]:
    """What has been deployed or found, by experiment."""
    path = workspace.endpoints_file
    return {name: Endpoint.from_dict(facts) for name, facts in read_json(path).items()} if path.exists() else {}


def record(workspace: Workspace, endpoint: Endpoint) -> None:
    """Keep what is known of an endpoint; called before each slow part, so that nothing can be orphaned."""
    with workspace.locked("endpoints"):
        known = {name: known.to_dict() for name, known in endpoints(workspace).items()}
        shown = replace(
            endpoint,
            urls=tuple(workspace.redact(url) for url in endpoint.urls),
            error=None if endpoint.error is None else workspace.redact(endpoint.error),
        )
        write_json(workspace.endpoints_file, {**known, endpoint.experiment_name: shown.to_dict()})
    workspace.log_event("endpoint", experiment=endpoint.experiment_name, status=endpoint.status)
    workspace.keep(workspace.endpoints_file)


def still_standing(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that were made by the run and not taken down yet: what may still cost money."""
    return [endpoint for endpoint in endpoints if endpoint.owned and endpoint.deleted_at is None]


def standing_lines(workspace: Workspace) -> list[str]:
    """What the run made and has not taken down, and the command that ends it; one line each."""
    return [
        f"still running and costing money: {endpoint.experiment_name} on {endpoint.platform} "
        f"({', '.join(endpoint.urls)}); end it by: fmbench cleanup {workspace.path}"
        for endpoint in still_standing(endpoints(workspace).values())
    ]
