"""Which platform serves an experiment, and whether it is deployed there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fmbench_lib.config import Config, Experiment, resolve_file
from fmbench_lib.deploy import Platform, platform, platform_of_existing
from fmbench_lib.errors import InputError

_SHIPPED_MANIFESTS = "configs/eks_manifests"
"""Where those of FMBench 2.x's configs are, which it kept in several folders over time."""


def service_of(config: Config, experiment: Experiment, folders: Sequence[Path] = ()) -> tuple[Platform, Experiment]:
    """The platform that deploys an experiment or looks up its endpoint, and the experiment as it takes it.

    With `2_deploy_model: no` nothing is deployed: the endpoint `ep_name` is used as it is. A manifest is searched
    for in the `folders`. Raises DeployError for an unknown platform.
    """
    if config.run_steps.get("2_deploy_model", True):
        return platform(experiment.platform), _with_manifest(experiment, folders)
    return platform_of_existing(experiment.platform), experiment.model_copy(update={"deploy": False})


def _with_manifest(experiment: Experiment, folders: Sequence[Path]) -> Experiment:
    """The experiment with the path of its manifest on this machine, unchanged where it has none."""
    settings = experiment.eks
    if settings is None or not settings.manifest_file:
        return experiment
    named = Path(settings.manifest_dir or ".") / settings.manifest_file
    path = _found(str(named), folders) or _found(f"{_SHIPPED_MANIFESTS}/{named.name}", folders)
    if path is None:
        return experiment  # the platform reports it when it deploys
    located = settings.model_copy(update={"manifest_dir": str(path.parent), "manifest_file": path.name})
    return experiment.model_copy(update={"eks": located})


def _found(name: str, folders: Sequence[Path]) -> Path | None:
    try:
        return resolve_file(name, folders=folders, kind="manifest").resolve()
    except InputError:
        return None
