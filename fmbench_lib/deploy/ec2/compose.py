"""The compose file of what an experiment ran: the same containers again, by `docker compose up`, without fmbench."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.docker import SECRETS_LABEL, device_files, device_ids
from fmbench_lib.host.ports import HOST


def compose_file(
    experiment_name: str,
    run_id: str,
    containers: Sequence[Container],
    labels: Mapping[str, str],
    pinned: Mapping[str, str],
    secrets: Mapping[str, Sequence[str]],
) -> str:
    """The file's text. `pinned` gives an image its name with the digest that ran, `secrets` the names of the
    variables that each container was handed, by its name, and that whoever starts it again has to set."""
    services = {
        one.name: _service(one, labels, pinned.get(one.image, one.image), secrets.get(one.name, ()))
        for one in containers
    }
    asked = sorted({name for names in secrets.values() for name in names})
    title = " ".join(experiment_name.split())
    lines = [
        f"# What fmbench ran for experiment {title} of run {run_id}.",
        "# To start it again: docker compose -f compose.yml up"
        + (f", with {' and '.join(asked)} in the environment" if asked else ""),
    ]
    content = {"name": project_name(run_id, experiment_name), "services": services}
    text = yaml.safe_dump(content, sort_keys=False, width=1000, allow_unicode=True)
    return "\n".join([*lines, text])


def project_name(run_id: str, experiment_name: str) -> str:
    """A name as compose allows it: lower case, digits, `-` and `_`."""
    return re.sub(r"[^a-z0-9_-]+", "-", f"fmbench-{run_id}-{experiment_name}".lower()).strip("-")


def _service(one: Container, labels: Mapping[str, str], image: str, secrets: Sequence[str]) -> dict[str, Any]:
    environment = {name: _literal(value) for name, value in one.environment.items()}
    environment |= {name: f"${{{name}}}" for name in secrets}
    service: dict[str, Any] = {
        "image": image,
        "container_name": one.name,
        "entrypoint": None if one.entrypoint is None else [_literal(word) for word in one.entrypoint],
        "command": [_literal(word) for word in one.command],
        "environment": environment,
        "labels": {name: _literal(value) for name, value in {**labels, SECRETS_LABEL: ",".join(secrets)}.items()},
        "network_mode": one.network,
        "ports": [f"{HOST}:{port}:{inside}" for inside, port in one.published.items()],
        "volumes": [
            {
                "type": "bind",
                "source": _literal(str(mount.source)),
                "target": _literal(mount.target),
                "read_only": mount.read_only,
            }
            for mount in one.mounts
        ],
        "devices": [f"{there}:{inside}" for there, inside in device_files(one)],
        "deploy": _gpus(one),
        "shm_size": one.shm_size,
        "privileged": one.privileged or None,
    }
    return {key: value for key, value in service.items() if value not in (None, [], {})}


def _gpus(one: Container) -> dict[str, Any] | None:
    if one.devices.kind != "nvidia":
        return None
    wanted = {"driver": "nvidia", "device_ids": device_ids(one), "capabilities": ["gpu"]}
    return {"resources": {"reservations": {"devices": [wanted]}}}


def _literal(text: str) -> str:
    """A text that compose takes as it is: it puts variables in the place of `$NAME`."""
    return text.replace("$", "$$")
