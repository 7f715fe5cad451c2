"""The container engine of this machine, through the Docker API: Docker itself, or podman's compatible socket.

Every function opens its own connection and keeps no state, so any process can call any of them. Errors of the engine
become a DeployError of one line.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fmbench_lib.config.secret_forms import REMOVED, without_secrets
from fmbench_lib.config.secret_names import is_secret
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.errors import DeployError
from fmbench_lib.host.ports import ALL_ADDRESSES

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
RUN_LABEL = "fmbench.run"
MARK_LABEL = "fmbench.mark"
"""A container is removed only if this label has the value that its run chose."""
SECRETS_LABEL = "fmbench.secrets"
"""The names of the variables whose values must not appear in a log."""
_THIS_MACHINE = ("", "localhost", "127.0.0.1", "::1")
_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class State:
    """A container as the engine reports it. `image_id` is the image that it actually runs."""

    running: bool
    status: str
    exit_code: int | None
    oom_killed: bool
    error: str
    image_id: str
    labels: Mapping[str, str]
    gpus: bool

    def ending(self) -> str:
        """How the container ended, as far as the engine knows."""
        if self.running:
            return "runs"
        if self.oom_killed:
            return "was killed: out of memory"
        detail = f" ({self.error})" if self.error else ""
        if self.status == "created":
            return f"was never started{detail}"
        return f"ended with code {self.exit_code}{detail}"


def engine_address() -> str:
    """The address of this machine's engine. Raises DeployError where `DOCKER_HOST` names another machine."""
    address = os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS
    parts = urlsplit(address)
    if parts.scheme != "unix" and (parts.hostname or "") not in _THIS_MACHINE:
        raise DeployError(
            f"DOCKER_HOST is {address}, another machine: platform ec2 serves on the machine where fmbench runs; "
            "run fmbench there"
        )
    return address


@contextlib.contextmanager
def connected(address: str, *, timeout: float = _TIMEOUT_S) -> Iterator[DockerClient]:
    """A client of the engine, closed at the end of the block. Every error of the engine becomes a DeployError."""
    try:
        import docker
    except ImportError as error:
        raise DeployError("platform ec2 needs the docker package: pip install 'fmbench-lib[ec2]'") from error
    import requests
    import urllib3

    _check_socket(address)
    client = docker.DockerClient(base_url=address, version=_version(address), timeout=int(timeout))
    try:
        yield client
    except docker.errors.APIError as error:
        raise DeployError(explained(error.explanation or str(error))) from error
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise DeployError(f"the container engine at {address} stopped answering: {_short(error)}") from error
    finally:
        client.close()


@functools.lru_cache(maxsize=8)
def _version(address: str) -> str:
    """The API version that both the engine and the client support; cached, since some engines take long to answer."""
    import docker

    try:
        with contextlib.closing(docker.DockerClient(base_url=address)) as client:
            return str(client.api.api_version)
    except docker.errors.DockerException as error:
        raise DeployError(_no_engine(address, error)) from error


def _check_socket(address: str) -> None:
    """Raise DeployError where nothing listens; on this error the docker package would leave a socket open."""
    if not address.startswith("unix://"):
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        try:
            connection.connect(address.removeprefix("unix://"))
        except OSError as error:
            raise DeployError(_no_engine(address, error)) from error


def _no_engine(address: str, error: Exception) -> str:
    return (
        f"no container engine answers at {address} ({_short(error)}): start Docker (systemctl start docker), give this "
        "user access (usermod -aG docker), or set DOCKER_HOST to podman's socket"
    )


_EXPLANATIONS = (
    (
        r"no space left on device",
        "the engine's disk is full: free space with docker system prune, or enlarge the volume",
    ),
    (
        r"could not select device driver|unresolvable CDI devices|nvidia-container-cli",
        "the engine cannot pass GPUs to containers: install the NVIDIA driver and the NVIDIA Container Toolkit",
    ),
    (r"address already in use|port is already allocated", "the port is in use: stop the process that listens on it"),
    (r"gathering device information|stat /dev/|no such device", "a device is not on this machine"),
    (r"name .*(already in use|is in use)", "another container has this name: remove it"),
)


def explained(message: str) -> str:
    """An engine's error as one line: what it means, followed by the original message in parentheses."""
    line = " ".join(message.split())
    for pattern, meaning in _EXPLANATIONS:
        if re.search(pattern, line, re.I):
            return f"{meaning} ({line})"
    return line


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def create(address: str, container: Container, secrets: Mapping[str, str], labels: Mapping[str, str]) -> State:
    """Create the container, without starting it, and return its state.

    Raises DeployError where that fails, and where the engine drops the GPUs, which some do silently.
    """
    with connected(address) as client:
        client.api.create_container(**_creation(client, container, secrets, labels))
    created = state(address, container.name)
    if created is None:
        raise DeployError(f"container {container.name} disappeared right after it was created")
    if container.devices.kind == "nvidia" and not created.gpus:
        raise DeployError(
            f"the engine at {address} passes no GPUs to containers through the Docker API; use Docker with the NVIDIA "
            "Container Toolkit"
        )
    return created


def _creation(
    client: DockerClient, container: Container, secrets: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    """The arguments of the engine's create call; `compose.py` writes the same as a file."""
    from docker.types import DeviceRequest, Mount

    published = container.published
    gpus = container.devices.kind == "nvidia"
    bindings: dict[int | str, Any] = {
        inside: [(published_host(host), port) for host in container.hosts] for inside, port in published.items()
    }
    host_config = client.api.create_host_config(
        network_mode=container.network,
        port_bindings=bindings or None,
        mounts=[
            Mount(type="bind", source=str(mount.source), target=mount.target, read_only=mount.read_only)
            for mount in container.mounts
        ],
        device_requests=[DeviceRequest(driver="nvidia", device_ids=device_ids(container), capabilities=[["gpu"]])]
        if gpus
        else None,
        devices=[f"{on_host}:{inside}:rwm" for on_host, inside in device_files(container)],
        shm_size=container.shm_size,
        privileged=container.privileged,
    )
    return {
        "image": container.image,
        "name": container.name,
        "entrypoint": None if container.entrypoint is None else list(container.entrypoint),
        "command": list(container.command) or None,
        "environment": {**container.environment, **secrets},
        "labels": dict(labels),
        "ports": list(published) or None,
        "host_config": host_config,
    }


def published_host(host: str) -> str:
    """An address as the engine takes it: all are the empty one, since podman lets nothing through to 0.0.0.0."""
    return "" if host == ALL_ADDRESSES else host


def device_ids(container: Container) -> list[str]:
    """The GPUs of a container, as the engine spells them."""
    return [str(index) for index in container.devices.indices]


def device_files(container: Container) -> list[tuple[str, str]]:
    """The Neuron devices of a container: their files on the host, and in the container, where they are numbered from 0
    without gaps, as Neuron's runtime expects."""
    if container.devices.kind != "neuron":
        return []
    return [(f"/dev/neuron{index}", f"/dev/neuron{number}") for number, index in enumerate(container.devices.indices)]


def start(address: str, name: str) -> None:
    """Start a container. Raises DeployError with the engine's reason."""
    with connected(address) as client:
        client.api.start(name)


def state(address: str, name: str) -> State | None:
    """The state of a container; None where there is no container of that name."""
    import docker.errors

    with connected(address) as client:
        try:
            facts = client.api.inspect_container(name)
        except docker.errors.NotFound:
            return None
    status = facts["State"]
    return State(
        running=bool(status.get("Running")),
        status=str(status.get("Status") or "exited"),
        exit_code=status.get("ExitCode"),
        oom_killed=bool(status.get("OOMKilled")),
        error=explained(status["Error"]) if status.get("Error") else "",
        image_id=str(facts["Image"]),
        labels=facts["Config"].get("Labels") or {},
        gpus=bool(facts["HostConfig"].get("DeviceRequests")),
    )


def save_log(address: str, name: str, path: Path) -> None:
    """Write the container's whole log to a file, replacing an earlier copy. The secrets that it was given are removed.

    Does nothing for a container that no longer exists: the earlier copy stays.
    """
    import docker.errors

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    with connected(address) as client:
        try:
            secrets = _secret_values(client.api.inspect_container(name)["Config"])
            chunks: Any = client.api.logs(name, stdout=True, stderr=True, stream=True, follow=False)
            with part.open("w", encoding="utf-8", errors="replace") as file:
                for line in _lines(chunks):
                    file.write(hidden_in(line, secrets))
            part.replace(path)
        except docker.errors.NotFound:
            return
        except OSError as error:
            raise DeployError(f"cannot write {path}: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)


def _secret_values(config: Mapping[str, Any]) -> list[str]:
    """The secret values that the container was given, which its log may repeat; read from the engine, since no file has
    them."""
    secret_names = set(str((config.get("Labels") or {}).get(SECRETS_LABEL, "")).split(","))
    variables = (str(variable).partition("=") for variable in config.get("Env") or ())
    return [value for name, _, value in variables if value and (name in secret_names or is_secret(name))]


def hidden_in(text: str, secrets: Iterable[str]) -> str:
    """A text without these secrets, and without anything that looks like a secret."""
    for secret in secrets:
        text = text.replace(secret, REMOVED)
    return without_secrets(text)


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Whole lines, so that a secret split across two chunks is still recognised."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", errors="replace") + "\n" for line in whole)
    if rest:
        yield rest.decode("utf-8", errors="replace") + "\n"


def kill(address: str, name: str, mark: str) -> bool:
    """Kill the container if it carries this run's mark. Returns False where it does not exist or belongs to another
    run."""
    import docker.errors

    container = state(address, name)
    if container is None or container.labels.get(MARK_LABEL) != mark:
        return False
    if container.running:
        # It may have exited by itself meanwhile; `remove` checks that it is gone.
        with connected(address) as client, contextlib.suppress(docker.errors.APIError):
            client.api.kill(name)
    return True


def remove(address: str, name: str, mark: str) -> None:
    """Remove the container if it carries this run's mark, and check that it is gone; another run's container is left
    alone.

    Raises DeployError where it still exists.
    """
    import docker.errors

    if not kill(address, name, mark):
        return
    with connected(address) as client, contextlib.suppress(docker.errors.NotFound):
        client.api.remove_container(name, force=True, v=True)
    remaining = state(address, name)
    if remaining is not None and remaining.labels.get(MARK_LABEL) == mark:
        raise DeployError(
            f"container {name} still exists ({remaining.status}); remove it with docker rm --force {name}"
        )
