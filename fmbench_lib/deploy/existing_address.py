"""Endpoints that run already, taken by their addresses: probed once, and never deleted."""

from __future__ import annotations

import socket
import time
from functools import partial
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import ENDPOINT
from fmbench_lib.deploy.making import Making, check_answers
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.errors import DeployError, EndpointError

_CONNECT_TIMEOUT_S = 10.0


def addresses_named(experiment: Experiment) -> tuple[str, ...]:
    """The addresses in `ep_name`, which are separated by commas."""
    return tuple(filter(None, (url.strip() for url in (experiment.ep_name or "").split(","))))


def is_web_address(name: str) -> bool:
    """Whether the name of an endpoint is its address."""
    return name.startswith(("http://", "https://"))


def plan_of_existing(name: str | None) -> str:
    """What a plan says of an endpoint that exists already."""
    return f"an endpoint that exists: {name}"


def use_existing(experiment: Experiment, context: DeployContext) -> Endpoint:
    """The endpoint at the addresses of `ep_name`, each of which has answered a real request.

    Raises DeployError, which names the address that has not.
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
    making = Making(endpoint, context)
    with making.or_give_up():
        for url in urls:
            check_answers(context, url, endpoint.model, partial(_named, url))
    return making.in_service()


def why_unreachable(url: str) -> str:
    """Why no connection can be made to an address; empty where one can."""
    parts = urlsplit(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        return f"{url} does not answer: {error}"
    return ""


def _named(url: str, error: EndpointError) -> str:
    return str(error) if url in str(error) else f"{url}: {error}"
