"""The compose file of an experiment: `docker compose up` starts the same containers again, without fmbench."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.docker import SECRETS_LABEL, device_files, device_ids, published_host


def compose_file(
    experiment_name: str,
    run_id: str,
    containers: Sequence[Container],
    labels: Mapping[str, str],
    pinned: Mapping[str, str],
    secrets: Mapping[str, Sequence[str]],
) -> str:
    """The file's text. `pinned` maps an image to its name with the digest that ran; `secrets` maps a container to the
    names of its secret variables, which must be set to start it again."""
    services = {
        container.name: _service(
            container, labels, pinned.get(container.image, container.image), secrets.get(container.name, ())
        )
        for container in containers
    }
    required = sorted({name for names in secrets.values() for name in names})
    title = " ".join(experiment_name.split())
    lines = [
        f"# What fmbench ran for experiment {title} of run {run_id}.",
        "# To start it again: docker compose -f compose.yml up"
        + (f", with {' and '.join(required)} in the environment" if required else ""),
    ]
    content = {"name": project_name(run_id, experiment_name), "services": services}
    text = yaml.safe_dump(content, sort_keys=False, width=1000, allow_unicode=True)
    return "\n".join([*lines, text])


def project_name(run_id: str, experiment_name: str) -> str:
    """A project name that compose accepts: lower case letters, digits, `-` and `_`."""
    return re.sub(r"[^a-z0-9_-]+", "-", f"fmbench-{run_id}-{experiment_name}".lower()).strip("-")


def _service(container: Container, labels: Mapping[str, str], image: str, secrets: Sequence[str]) -> dict[str, Any]:
    environment = {name: _literal(value) for name, value in container.environment.items()}
    environment |= {name: f"${{{name}}}" for name in secrets}
    service: dict[str, Any] = {
        "image": image,
        "container_name": container.name,
        "entrypoint": None if container.entrypoint is None else [_literal(word) for word in container.entrypoint],
        "command": [_literal(word) for word in container.command],
        "environment": environment,
        "labels": {name: _literal(value) for name, value in {**labels, SECRETS_LABEL: ",".join(secrets)}.items()},
        "network_mode": container.network,
        "ports": [
            f"{published_host(host)}:{port}:{inside}".lstrip(":")
            for inside, port in container.published.items()
            for host in container.hosts
        ],
        "volumes": [
            {
                "type": "bind",
                "source": _literal(str(mount.source)),
                "target": _literal(mount.target),
                "read_only": mount.read_only,
            }
            for mount in container.mounts
        ],
        "devices": [f"{on_host}:{inside}" for on_host, inside in device_files(container)],
        "deploy": _gpus(container),
        "shm_size": container.shm_size,
        "privileged": container.privileged or None,
    }
    return {key: value for key, value in service.items() if value not in (None, [], {})}


def _gpus(container: Container) -> dict[str, Any] | None:
    if container.devices.kind != "nvidia":
        return None
    reservation = {"driver": "nvidia", "device_ids": device_ids(container), "capabilities": ["gpu"]}
    return {"resources": {"reservations": {"devices": [reservation]}}}


def _literal(text: str) -> str:
    """A text escaped so that compose does not substitute `$NAME` in it."""
    return text.replace("$", "$$")
