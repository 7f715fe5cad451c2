"""Where an endpoint of a run is reached."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.config.secret_forms import REMOVED
from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.existing_address import addresses_named


def addresses_of(endpoint: Endpoint, experiment: Experiment) -> tuple[str, ...]:
    """The addresses of an endpoint; from the config where they hold a secret, which a run does not store."""
    if any(REMOVED in url for url in endpoint.urls):
        return addresses_named(experiment)
    return endpoint.urls
