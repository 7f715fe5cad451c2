"""Platform `endpoint`: an address that exists already. It is asked once, and never taken down."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import ENDPOINT
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.errors import DeployError, EndpointError

_CONNECT_TIMEOUT_S = 10.0


class EndpointPlatform:
    """Takes endpoints as they are."""

    def plan(self, experiment: Experiment) -> str:
        """Which address is used."""
        return f"an endpoint that exists: {experiment.ep_name}"

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The addresses of `ep_name` (several with commas between), each having answered a real request.

        Raises DeployError, which names the address that does not.
        """
        urls = addresses_named(experiment)
        if not urls:
            raise DeployError("platform endpoint needs ep_name, the address of a server that runs already")
        endpoint = Endpoint(
            experiment_name=experiment.name,
            platform=ENDPOINT,
            urls=urls,
            owned=False,
            created_at=time.time(),
            model=experiment.model_id,
        )
        for url in urls:
            try:
                context.probe(url, endpoint.model)
            except EndpointError as error:
                failure = str(error) if url in str(error) else f"{url}: {error}"
                context.record(replace(endpoint, status="failed", error=failure))
                raise DeployError(failure) from error
        endpoint = replace(endpoint, status="in_service", in_service_at=time.time())
        context.record(endpoint)
        return endpoint

    def alive(self, endpoint: Endpoint) -> bool:
        """Whether a connection can be made to every address."""
        return self.why_dead(endpoint) == ""

    def why_dead(self, endpoint: Endpoint) -> str:
        """The addresses to which no connection can be made, and why; empty where there are none."""
        return "; ".join(trouble for url in endpoint.urls if (trouble := _refusal(url)) is not None)

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Nothing: it was there before the run and stays."""
        return endpoint


PLATFORM = EndpointPlatform()


def addresses_named(experiment: Experiment) -> tuple[str, ...]:
    """The addresses of `ep_name`, several with commas between."""
    return tuple(filter(None, (url.strip() for url in (experiment.ep_name or "").split(","))))


def _refusal(url: str) -> str | None:
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {error}"
    return None
