"""The endpoints of a run, in `endpoints.json`, from which any process can delete them.

They are recorded a second time outside the run's directory, where they are found if that is gone or its disk is full.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from fmbench_lib.deploy.platform import Copy, Endpoint
from fmbench_lib.deploy.standing_record import note_standing, recorded_outside
from fmbench_lib.errors import FmbenchError
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.host.boot_clock import boot_time
from fmbench_lib.workspace import Workspace

_RECORDED_AT = "recorded_at"


def endpoints(workspace: Workspace) -> dict[str, Endpoint]:
    """The endpoints that a run has deployed or taken as they are, by experiment."""
    return {name: Endpoint.from_dict(facts) for name, facts in _recorded(workspace).items()}


def known_endpoints(workspace: Workspace) -> dict[str, Endpoint]:
    """The endpoints of a run as they were recorded last, in its directory or outside it; never raises OSError."""
    known: dict[str, Mapping[str, Any]] = {}
    with contextlib.suppress(OSError, ValueError):
        known = dict(_recorded(workspace))
    for name, facts in recorded_outside(workspace.path).items():
        if name not in known or facts.get(_RECORDED_AT, 0.0) > known[name].get(_RECORDED_AT, 0.0):
            known[name] = facts
    return {name: Endpoint.from_dict(facts) for name, facts in known.items()}


def record(workspace: Workspace, endpoint: Endpoint) -> None:
    """Store what is known of an endpoint, without secrets; called before each slow part, so that none is orphaned,
    and as soon as it has been deleted."""
    if endpoint.deleted_at is not None and endpoint.in_service_boot is not None and endpoint.deleted_boot is None:
        endpoint = replace(endpoint, deleted_boot=boot_time())
    redacted = replace(
        endpoint,
        urls=tuple(workspace.redact(url) for url in endpoint.urls),
        copies=tuple(_copy_without_secrets(copy, workspace.redact) for copy in endpoint.copies),
        error=None if endpoint.error is None else workspace.redact(endpoint.error),
    )
    facts = {**redacted.to_dict(), _RECORDED_AT: time.time()}
    name, gone = endpoint.experiment_name, endpoint.deleted_at is not None
    if endpoint.owned:
        note_standing(workspace.path, name, facts)
    with workspace.locked("endpoints"):
        write_json(workspace.endpoints_file, {**_recorded(workspace), name: facts})
    if endpoint.owned and gone:
        note_standing(workspace.path, name, None)
    workspace.log_event("endpoint", experiment=name, status=endpoint.status)
    workspace.keep(workspace.endpoints_file)


def _copy_without_secrets(copy: Copy, redact: Callable[[str], str]) -> Copy:
    page = None if copy.metrics_url is None else redact(copy.metrics_url)
    return replace(copy, url=redact(copy.url), metrics_url=page)


def record_if_possible(workspace: Workspace, endpoint: Endpoint) -> None:
    """Store what is known of an endpoint that has been deleted, wherever that can be written."""
    with contextlib.suppress(FmbenchError, OSError):
        record(workspace, endpoint)
    if not workspace.path.exists():
        note_standing(workspace.path, endpoint.experiment_name, None)


def still_standing(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """The endpoints that a run created and has not deleted: what may still cost money."""
    return [endpoint for endpoint in endpoints if endpoint.owned and endpoint.deleted_at is None]


def _recorded(workspace: Workspace) -> dict[str, Mapping[str, Any]]:
    path = workspace.endpoints_file
    return read_json(path) if path.exists() else {}
