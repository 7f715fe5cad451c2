"""Platform `endpoint`: an address that exists already. It is probed once, and never deleted."""

from __future__ import annotations

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.existing_address import plan_of_existing, use_existing, why_unreachable
from fmbench_lib.deploy.platform import DeployContext, Endpoint


class EndpointPlatform:
    """Takes endpoints as they are."""

    def plan(self, experiment: Experiment) -> str:
        """Which address is used."""
        return plan_of_existing(experiment.ep_name)

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The endpoint at the addresses of `ep_name`; raises DeployError where one does not answer a request."""
        return use_existing(experiment, context)

    def why_dead(self, endpoint: Endpoint) -> str:
        """The addresses to which no connection can be made, and why; empty where there are none."""
        return "; ".join(filter(None, map(why_unreachable, endpoint.urls)))

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint as it is: it was there before the run, and stays."""
        return endpoint


PLATFORM = EndpointPlatform()
