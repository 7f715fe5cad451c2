"""Which platform an experiment is served by, and whether it is deployed there."""

from __future__ import annotations

from pathlib import Path

from fmbench_lib.config import Config, Experiment, resolve_file
from fmbench_lib.deploy import Platform, platform, platform_of_existing
from fmbench_lib.errors import InputError


def service_of(config: Config, experiment: Experiment, folder: Path | None = None) -> tuple[Platform, Experiment]:
    """The platform that brings an experiment to where it answers, and what it is asked to do.

    With `2_deploy_model: no` nothing is deployed: the endpoint that `ep_name` names is taken as it is. `folder` is the
    config's, where a manifest is looked for first; without it a platform that needs one cannot plan.
    """
    if config.run_steps.get("2_deploy_model", True):
        return platform(experiment.platform), _with_manifest(experiment, folder or Path())
    return platform_of_existing(experiment.platform), experiment.model_copy(update={"deploy": False})


def _with_manifest(experiment: Experiment, folder: Path) -> Experiment:
    """The experiment with the folder of its manifest as it is on this machine; as it was where there is none."""
    settings = experiment.eks
    if settings is None or not settings.manifest_file:
        return experiment
    named = Path(settings.manifest_dir or ".") / settings.manifest_file
    try:
        found = resolve_file(str(named), config_folder=folder, kind="manifest").resolve()
    except InputError:
        return experiment  # the platform says so, where it is deployed
    there = settings.model_copy(update={"manifest_dir": str(found.parent), "manifest_file": found.name})
    return experiment.model_copy(update={"eks": there})
