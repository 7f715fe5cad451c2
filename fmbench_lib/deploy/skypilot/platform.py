"""Machines that SkyPilot makes for the experiments of a fleet. They are recorded and deleted as endpoints are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.platform import DeployContext, Endpoint
from fmbench_lib.errors import DeployError
from fmbench_lib.fleet.sky_command import status_of, take_down

_NO_SERVER = "SkyPilot makes the machines of `fmbench fleet`, and serves no experiment itself"


def _name_of(endpoint: Endpoint) -> str:
    """The name in SkyPilot of a recorded machine."""
    return str(endpoint.resources[0]["name"])


class SkyPilot:
    """Deletes machines; a fleet starts them."""

    def plan(self, experiment: Experiment) -> str:
        """Raises DeployError: no experiment is served by it."""
        raise DeployError(_NO_SERVER)

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """Raises DeployError: no experiment is served by it."""
        raise DeployError(_NO_SERVER)

    def why_dead(self, endpoint: Endpoint) -> str:
        """What SkyPilot says of a machine that is not up."""
        if endpoint.deleted_at is not None:
            return "it was deleted"
        status = status_of(_name_of(endpoint))
        return "" if status == "UP" else f"SkyPilot says {status or 'that there is no such machine'}"

    def delete(self, endpoint: Endpoint, pause: Callable[[float], None] = time.sleep) -> Endpoint:
        """Delete the machine, also while it is being started, and check that it is gone. Raises DeployError."""
        if endpoint.deleted_at is not None:
            return endpoint
        take_down(_name_of(endpoint), pause)
        return replace(endpoint, status="deleted", deleted_at=time.time())


PLATFORM = SkyPilot()
