"""An endpoint while it is being deployed: what all platforms do to record it, to probe it and to give it up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.errors import DeployError, EndpointError
from fmbench_lib.host.boot_clock import boot_time


@dataclass(slots=True)
class Making:
    """An endpoint being deployed: `endpoint` is always what has been recorded last."""

    endpoint: Endpoint
    context: DeployContext

    def note(self, **changes: Any) -> None:
        """Change fields of the endpoint and record it."""
        self.endpoint = replace(self.endpoint, **changes)
        self.context.record(self.endpoint)

    def in_service(self, **changes: Any) -> Endpoint:
        """Record that the endpoint serves, from now on; the endpoint."""
        self.note(status="in_service", in_service_at=time.time(), in_service_boot=boot_time(), **changes)
        return self.endpoint

    @contextmanager
    def or_give_up(self, delete: Callable[[Endpoint], Endpoint] | None = None) -> Iterator[None]:
        """A block that deploys the endpoint. Where it fails, what was created is deleted and the reason is recorded.

        Raises DeployError with the reason, and with what could not be deleted. An interruption passes through: what was
        created stays as it is recorded, for the cleanup. Without `delete` the failure is only recorded.
        """
        try:
            yield
        except (DeployError, EndpointError) as error:
            raise DeployError(self._given_up(delete, str(error))) from None

    def _given_up(self, delete: Callable[[Endpoint], Endpoint] | None, error: str) -> str:
        deleted_at = self.endpoint.deleted_at
        try:
            deleted_at = delete(self.endpoint).deleted_at if delete is not None else deleted_at
        except DeployError as failure:
            error = f"{error}; what was created could not be deleted: {failure}"
        self.note(status="failed", error=error, deleted_at=deleted_at)
        return error


def begin(endpoint: Endpoint, context: DeployContext) -> Making:
    """Record an endpoint before anything of it is created."""
    context.record(endpoint)
    return Making(endpoint, context)


def check_answers(
    context: DeployContext, url: str, model: str | None, explain: Callable[[EndpointError], str] = str
) -> None:
    """Send one real request to an address, since being in service is only a promise.

    Raises DeployError, in the words of `explain`, where it fails.
    """
    try:
        context.probe(url, model)
    except EndpointError as error:
        raise DeployError(explain(error)) from None
