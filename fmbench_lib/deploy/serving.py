"""What an experiment is served by on this machine: its copies, the balancer before them, and what they occupy."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.config.experiment import Ec2
from fmbench_lib.config.redaction import is_secret, without_secrets
from fmbench_lib.deploy import nginx
from fmbench_lib.deploy.accelerators import Host
from fmbench_lib.deploy.container import Container
from fmbench_lib.deploy.hf_token import VARIABLES
from fmbench_lib.deploy.ports import HOST, claim_ports, wanted_port
from fmbench_lib.deploy.stacks import containers_of
from fmbench_lib.errors import DeployError

NGINX = "nginx"


@dataclass(frozen=True, slots=True)
class Serving:
    """The containers of an experiment: one per copy, and a balancer where the config asks for one."""

    copies: tuple[Container, ...]
    balancer: Container | None = None

    @property
    def containers(self) -> tuple[Container, ...]:
        """All of them, in the order in which they are started."""
        return (*self.copies, *([self.balancer] if self.balancer else []))

    @property
    def urls(self) -> tuple[str, ...]:
        """Where clients send to: the balancer, or each copy."""
        asked = [self.balancer] if self.balancer else self.copies
        return tuple(url_of(container) for container in asked)


def url_of(container: Container) -> str:
    """The address of requests to a container."""
    return f"http://{HOST}:{container.host_port}{container.path}"


def serving_of(
    experiment: Experiment, host: Host, *, run_id: str, folder: Path, folders: Sequence[Path], claim: bool = False
) -> Serving:
    """The containers of an experiment on this host.

    With `claim` the ports are taken to be free at this moment, else nothing is asked of the machine. The port of
    `ep_name` is that of the balancer, or of the first copy, the others following. Raises DeployError.
    """
    settings = experiment.ec2 or Ec2()
    balanced = settings.balancer == NGINX
    first = wanted_port(experiment.ep_name)

    def copies(ports: Sequence[int] | None) -> tuple[Container, ...]:
        made = containers_of(experiment, host, run_id=run_id, ports=ports, folder=folder, folders=folders)
        return tuple(map(_with_token, made))

    made = copies(None)
    if not claim:
        if balanced:
            return Serving(made, _balancer(experiment, settings, first or 0, made, folder))
        return Serving(made)
    if not balanced:
        return Serving(copies(claim_ports(first, len(made))))
    (port,) = claim_ports(first, 1)
    made = copies(claim_ports(None, len(made)))
    return Serving(made, _balancer(experiment, settings, port, made, folder))


def _balancer(experiment: Experiment, settings: Ec2, port: int, copies: Sequence[Container], folder: Path) -> Container:
    name = re.sub(r"-?\d+$", "", copies[0].name) if len(copies) > 1 else copies[0].name
    return nginx.balancer(f"{name}-nginx", settings.balancer_image or nginx.DEFAULT_IMAGE, port, copies, folder)


def _with_token(container: Container) -> Container:
    """Variables of the config that are secrets are handed over like the token, and written nowhere."""
    hidden = {name for name, value in container.environment.items() if is_secret(name) or without_secrets(value) != value}
    return replace(container, secrets=tuple(dict.fromkeys((*container.secrets, *sorted(hidden)))))


def secret_values(container: Container, token: str | None) -> dict[str, str]:
    """The secrets that are handed to a container when it starts, those that are known.

    What the config itself says of a variable stands; the Hugging Face token goes to the names that containers know it
    by.
    """
    tokens = dict.fromkeys(VARIABLES, token) if token else {}
    known = {**tokens, **container.environment}
    return {name: value for name in container.secrets if (value := known.get(name))}


def without_secret_variables(container: Container) -> Container:
    """The container as it may be written down."""
    open_ones = {name: value for name, value in container.environment.items() if name not in container.secrets}
    return replace(container, environment=open_ones)


def check_parts(container: Container) -> None:
    """Raise DeployError for a device or folder that is not on this machine, and for a secret in a file."""
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
                f"{name} of container {container.name} holds a secret, and would be kept with the run: leave it out "
                "and set HF_TOKEN in the environment, or put it into env"
            )
    words = list(container.command)
    if without_secrets(shlex.join(words)) != shlex.join(words):
        raise DeployError(
            f"the command of container {container.name} holds a secret, and would be kept with the run: put it into "
            "env, by the variable that the server reads it from"
        )


def write_parts(container: Container) -> None:
    """Write the container's files, and make the folders that it writes to. Raises DeployError for one that it cannot
    have."""
    try:
        for name, text in container.files.items():
            path = (container.folder or Path()) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for mount in container.mounts:
            if not mount.read_only:
                mount.source.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DeployError(f"{error.filename} cannot be written: {error.strerror}") from error
    for mount in container.mounts:
        if not mount.source.exists():
            raise DeployError(f"{mount.source}, which container {container.name} is to see, is not on this machine")
