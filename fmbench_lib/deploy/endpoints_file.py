"""The endpoints of a run, in `endpoints.json`, from which any process can delete them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from fmbench_lib.deploy.platform import Copy, Endpoint
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.workspace import Workspace


def endpoints(workspace: Workspace) -> dict[str, Endpoint]:
    """The endpoints that a run has deployed or taken as they are, by experiment."""
    path = workspace.endpoints_file
    return {name: Endpoint.from_dict(facts) for name, facts in read_json(path).items()} if path.exists() else {}


def record(workspace: Workspace, endpoint: Endpoint) -> None:
    """Store what is known of an endpoint, without secrets; called before each slow part, so that none is orphaned."""
    with workspace.locked("endpoints"):
        known = {name: known.to_dict() for name, known in endpoints(workspace).items()}
        redacted = replace(
            endpoint,
            urls=tuple(workspace.redact(url) for url in endpoint.urls),
            copies=tuple(_copy_without_secrets(copy, workspace.redact) for copy in endpoint.copies),
            error=None if endpoint.error is None else workspace.redact(endpoint.error),
        )
        write_json(workspace.endpoints_file, {**known, endpoint.experiment_name: redacted.to_dict()})
    workspace.log_event("endpoint", experiment=endpoint.experiment_name, status=endpoint.status)
    workspace.keep(workspace.endpoints_file)


def _copy_without_secrets(copy: Copy, redact: Callable[[str], str]) -> Copy:
    page = None if copy.metrics_url is None else redact(copy.metrics_url)
    return replace(copy, url=redact(copy.url), metrics_url=page)


def still_standing(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that a run created and has not deleted: what may still cost money."""
    return [endpoint for endpoint in endpoints if endpoint.owned and endpoint.deleted_at is None]
