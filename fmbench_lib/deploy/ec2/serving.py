"""The containers that serve an experiment on this machine: the copies, the balancer in front of them, and their
ports."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.secret_forms import without_secrets
from fmbench_lib.deploy.ec2 import nginx
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.deploy.ec2.stacks.stack_containers import containers_of, copies_of
from fmbench_lib.errors import DeployError
from fmbench_lib.host.ports import ALL_ADDRESSES, HOST, claim_ports, own_address, wanted_port
from fmbench_lib.models.hub_token import VARIABLES

NGINX = "nginx"


@dataclass(frozen=True, slots=True)
class Serving:
    """The containers of an experiment: one per copy, and a balancer where the config requests one."""

    copies: tuple[Container, ...]
    balancer: Container | None = None

    @property
    def containers(self) -> tuple[Container, ...]:
        """All of them, in the order in which they are started."""
        return (*self.copies, *([self.balancer] if self.balancer else []))

    @property
    def targets(self) -> tuple[Container, ...]:
        """The containers that clients send to: the balancer, or each copy."""
        return (self.balancer,) if self.balancer else self.copies

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses that clients on this machine send to."""
        return tuple(url_of(container) for container in self.targets)

    @property
    def remote_urls(self) -> tuple[str, ...]:
        """The addresses that clients on other machines send to; empty where these are not let in."""
        return tuple(filter(None, map(remote_url_of, self.targets)))


def url_of(container: Container) -> str:
    """The address that requests to a container go to."""
    return f"http://{HOST}:{container.host_port}{container.path}"


def remote_url_of(container: Container) -> str | None:
    """The address that other machines reach a container at; None where it is open to this machine only."""
    if container.listen_at in (None, HOST):
        return None
    host = own_address() if container.listen_at == ALL_ADDRESSES else container.listen_at
    return None if host is None else f"http://{host}:{container.host_port}{container.path}"


def listen_address(experiment: Experiment) -> str | None:
    """Where other machines are let in: `ec2.listen_address`, else the IP address in `ep_name`; None nowhere."""
    if experiment.ec2 is not None and experiment.ec2.listen_address is not None:
        return experiment.ec2.listen_address
    name = experiment.ep_name or ""
    try:
        host = urlsplit(name if "://" in name else f"//{name}").hostname or ""
        return None if ip_address(host).is_loopback or ":" in host else host
    except ValueError:  # a name, which may be that of another address than this machine's own
        return None


def metrics_url_of(container: Container) -> str:
    """The address of a server's Prometheus metrics page, if it has one."""
    return f"http://{HOST}:{container.host_metrics_port or container.host_port}/metrics"


def planned_serving(experiment: Experiment, host: Host, folder: Path, folders: Sequence[Path]) -> Serving:
    """The containers of an experiment as they would run on a host; no machine is queried."""
    copies = containers_of(experiment, host, run_id="plan", ports=None, folder=folder, folders=folders)
    if not _balanced(experiment):
        return Serving(_open_to_others(copies, experiment))
    port = wanted_port(experiment.ep_name)
    if port is None:
        return Serving(copies, _balancer(experiment, max(copy.host_port for copy in copies) + 1, copies, folder))
    copies_behind = tuple(replace(copy, host_port=port + offset) for offset, copy in enumerate(copies, start=1))
    return Serving(copies_behind, _balancer(experiment, port, copies_behind, folder))


def claimed_serving(
    experiment: Experiment, host: Host, *, run_id: str, folder: Path, folders: Sequence[Path], cores: int
) -> Serving:
    """The containers of an experiment on this machine, at ports that are free now. Raises DeployError where they do not
    fit.

    The port in `ep_name` goes to the balancer, or to the first copy, with the other copies on the ports after it;
    without one, any free ports are taken. Metrics pages with a port of their own get any free port.
    """
    first_port, count, balanced = wanted_port(experiment.ep_name), copies_of(experiment, host), _balanced(experiment)
    outside = listen_address(experiment) or HOST
    balancer_ports = claim_ports(first_port, 1, outside) if balanced else []
    ports = claim_ports(None, count) if balanced else claim_ports(first_port, count, outside)
    copies = containers_of(experiment, host, run_id=run_id, ports=ports, folder=folder, folders=folders, cores=cores)
    copies = _with_metrics_ports(copies)
    if balanced:
        return Serving(copies, _balancer(experiment, balancer_ports[0], copies, folder))
    return Serving(_open_to_others(copies, experiment))


def _open_to_others(copies: Sequence[Container], experiment: Experiment) -> tuple[Container, ...]:
    return tuple(replace(copy, listen_at=listen_address(experiment)) for copy in copies)


def _with_metrics_ports(copies: Sequence[Container]) -> tuple[Container, ...]:
    """The copies, with a free port of this machine for each metrics page that has its own port."""
    free = iter(claim_ports(None, sum(copy.metrics_port is not None for copy in copies)))
    return tuple(copy if copy.metrics_port is None else replace(copy, host_metrics_port=next(free)) for copy in copies)


def _balanced(experiment: Experiment) -> bool:
    return experiment.ec2 is not None and experiment.ec2.balancer == NGINX


def _balancer(experiment: Experiment, port: int, copies: Sequence[Container], folder: Path) -> Container:
    name = f"{re.sub(r'-[0-9]+$', '', copies[0].name)}-nginx"
    image = (experiment.ec2.balancer_image if experiment.ec2 else None) or nginx.DEFAULT_IMAGE
    return nginx.balancer(name, image, port, copies, folder / name, listen_address(experiment))


def secret_values(container: Container, experiment: Experiment, token: str | None) -> dict[str, str]:
    """The known secrets that a container is given when it starts.

    A variable set in the config's `env` takes precedence; the Hugging Face token goes to the variable names that
    containers read it from.
    """
    values = {**(dict.fromkeys(VARIABLES, token) if token else {}), **experiment.env}
    return {name: str(value) for name in container.secrets if (value := values.get(name))}


def check_parts(container: Container) -> None:
    """Raise DeployError for a device or folder that is not on this machine, and for a secret in a file or command
    line."""
    if container.devices.kind == "neuron":
        for index in container.devices.indices:
            if not Path(f"/dev/neuron{index}").exists():
                raise DeployError(
                    f"device /dev/neuron{index} is not on this machine; install the Neuron driver (aws-neuronx-dkms), "
                    "or correct ec2 and tp_degree"
                )
    for name, text in container.files.items():
        if without_secrets(text) != text:
            raise DeployError(
                f"{name} of container {container.name} contains a secret and would be stored with the run: remove it "
                "and set HF_TOKEN in the environment, or put it into env"
            )
    words = list(container.command)
    if without_secrets(shlex.join(words)) != shlex.join(words):
        raise DeployError(
            f"the command of container {container.name} contains a secret and would be stored with the run: put it "
            "into env, under the variable that the server reads it from"
        )


def write_parts(container: Container) -> None:
    """Write the container's files and create the folders that it writes to. Raises DeployError where that fails, or
    where a mounted folder does not exist."""
    try:
        for name, text in container.files.items():
            path = (container.folder or Path()) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for mount in container.mounts:
            if not mount.read_only:
                mount.source.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeployError(f"cannot write {error.filename}: {error.strerror}") from error
    for mount in container.mounts:
        if not mount.source.exists():
            raise DeployError(
                f"{mount.source}, which container {container.name} mounts, does not exist on this machine"
            )
