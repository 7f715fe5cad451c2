"""Which platform an experiment is served by, and whether it is deployed there."""

from __future__ import annotations

from fmbench_lib.config import Config, Experiment
from fmbench_lib.deploy import Platform, platform, platform_of_existing


def service_of(config: Config, experiment: Experiment) -> tuple[Platform, Experiment]:
    """The platform that brings an experiment to where it answers, and what it is asked to do.

    With `2_deploy_model: no` nothing is deployed: the endpoint that `ep_name` names is taken as it is.
    """
    if config.run_steps.get("2_deploy_model", True):
        return platform(experiment.platform), experiment
    return platform_of_existing(experiment.platform), experiment.model_copy(update={"deploy": False})
