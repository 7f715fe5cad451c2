"""Experiments on EC2 as configs define them, and their containers on a given host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from fmbench_lib.config import Experiment, load_config
from fmbench_lib.deploy.ec2.accelerators import Host, planned_host
from fmbench_lib.deploy.ec2.container import Container, Devices
from fmbench_lib.deploy.ec2.stacks.stack_containers import containers_of
from fmbench_lib.deploy.instance_types import DeviceKind
from fmbench_lib.predictors.registry import predictor_for

FOLDER = Path("/runs/one/containers")
FILTER = {"min_length_in_tokens": 1, "max_length_in_tokens": 500}


def make_experiment(folder: Path, **keys: Any) -> Experiment:
    """A loaded experiment with these config keys."""
    own = {"name": "tried", "platform": "ec2", "deploy": True, "concurrency_levels": [1], **keys}
    own = {key: value for key, value in own.items() if value is not None}
    config = {"general": {"name": "ec2"}, "datasets": {"filters": [FILTER]}, "experiments": [own]}
    path = folder / "ec2.yml"
    path.write_text(yaml.safe_dump(config))
    (loaded,) = load_config(path).config.experiments
    return loaded


def host(kind: DeviceKind = "none", count: int = 0, cores: int = 1, source: Any = "config") -> Host:
    return Host(Devices(kind, tuple(range(count))), cores, source)


def containers(
    experiment: Experiment,
    on: Host | None = None,
    *,
    ports: Sequence[int] | None = None,
    folders: Sequence[Path] = (),
    cores: int | None = None,
) -> tuple[Container, ...]:
    """An experiment's containers on a host, or on one of its instance type."""
    at = planned_host(experiment) if on is None else on
    return containers_of(experiment, at, run_id="run", ports=ports, folder=FOLDER, folders=folders, cores=cores)


def value_after(option: str, command: Sequence[str]) -> str:
    """The value after an option."""
    return command[command.index(option) + 1]


def stack_experiment(folder: Path, container_type: str, **keys: Any) -> Experiment:
    """An experiment on a serving stack."""
    spec = {"container_type": container_type, **keys.pop("inference_spec", {})}
    return make_experiment(folder, **{"model_id": "org/model", **keys, "inference_spec": spec})


def only_container(experiment: Experiment, *on: Any, **how: Any) -> Container:
    """The only container of an experiment."""
    (only,) = containers(experiment, *on, **how)
    return only


def sent_to(experiment: Experiment, container: Container) -> str:
    """The path that requests of the experiment's protocol go to."""
    url = f"http://127.0.0.1:{container.host_port}{container.path}"
    return urlsplit(predictor_for(experiment, url, experiment.model_id).encode("Hello").url).path
