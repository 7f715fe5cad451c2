"""A container engine of this machine, by the Docker API: Docker itself, or podman's compatible socket.

Every function opens its own connection and keeps no state, so that any process can do any of it. What an engine
answers is made one clear line (DeployError).
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

from fmbench_lib.config.redaction import REMOVED, is_secret, without_secrets
from fmbench_lib.deploy.ec2.container import Container
from fmbench_lib.errors import DeployError
from fmbench_lib.host.ports import HOST

if TYPE_CHECKING:
    from docker import DockerClient

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
RUN_LABEL = "fmbench.run"
MARK_LABEL = "fmbench.mark"
"""A container is taken down only where this label has the value that its run chose for it."""
SECRETS_LABEL = "fmbench.secrets"
"""The names of the variables whose values nobody may read in a log."""
_THIS_MACHINE = ("", "localhost", "127.0.0.1", "::1")
_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class State:
    """What an engine says of a container. `image_id` is the image that it really runs."""

    running: bool
    status: str
    exit_code: int | None
    oom_killed: bool
    error: str
    image_id: str
    labels: Mapping[str, str]
    gpus: bool

    def ending(self) -> str:
        """How it came to its end, as far as the engine knows."""
        if self.running:
            return "runs"
        if self.oom_killed:
            return "was killed for want of memory"
        said = f" ({self.error})" if self.error else ""
        if self.status == "created":
            return f"was never started{said}"
        return f"ended with code {self.exit_code}{said}"


def engine_address() -> str:
    """Where the engine of this machine listens. Raises DeployError where `DOCKER_HOST` names another machine."""
    address = os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS
    parts = urlsplit(address)
    if parts.scheme != "unix" and (parts.hostname or "") not in _THIS_MACHINE:
        raise DeployError(
            f"DOCKER_HOST is {address}, another machine: platform ec2 serves on the machine that fmbench runs on; "
            "run fmbench there"
        )
    return address


@contextlib.contextmanager
def connected(address: str, *, timeout: float = _TIMEOUT_S) -> Iterator[DockerClient]:
    """A client of the engine; whatever it answers that is no success is a DeployError."""
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
        raise DeployError(f"the container engine at {address} does not answer any more: {_short(error)}") from error
    finally:
        client.close()


@functools.lru_cache(maxsize=8)
def _version(address: str) -> str:
    """The version of the API that an engine and we both know; asked once, since some engines take long to say."""
    import docker

    try:
        with contextlib.closing(docker.DockerClient(base_url=address)) as client:
            return str(client.api.api_version)
    except docker.errors.DockerException as error:
        raise DeployError(_no_engine(address, error)) from error


def _check_socket(address: str) -> None:
    """Raise DeployError where nobody listens; the docker package would leave a socket open behind its error."""
    if not address.startswith("unix://"):
        return
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        try:
            connection.connect(address.removeprefix("unix://"))
        except OSError as error:
            raise DeployError(_no_engine(address, error)) from error


def _no_engine(address: str, error: Exception) -> str:
    return (
        f"no container engine answers at {address} ({_short(error)}): start Docker (systemctl start docker), let this "
        "user use it (usermod -aG docker), or name podman's socket in DOCKER_HOST"
    )


_EXPLANATIONS = (
    (r"no space left on device", "the engine's disk is full: docker system prune frees some, or enlarge the volume"),
    (
        r"could not select device driver|unresolvable CDI devices|nvidia-container-cli",
        "the engine can hand no GPU to containers: install the NVIDIA driver and the NVIDIA Container Toolkit",
    ),
    (r"address already in use|port is already allocated", "the port is taken: end what listens there"),
    (r"gathering device information|stat /dev/|no such device", "a device is not on this machine"),
    (r"name .*(already in use|is in use)", "another container has this name: remove it"),
)


def explained(said: str) -> str:
    """What an engine's refusal means, and in brackets what it said, on one line."""
    line = " ".join(said.split())
    for pattern, meaning in _EXPLANATIONS:
        if re.search(pattern, line, re.I):
            return f"{meaning} ({line})"
    return line


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def create(address: str, container: Container, secrets: Mapping[str, str], labels: Mapping[str, str]) -> State:
    """Make the container, not started yet, and say what the engine made of it.

    Raises DeployError where it cannot, and where the engine leaves out the GPUs, which some do without a word.
    """
    with connected(address) as client:
        client.api.create_container(**_creation(client, container, secrets, labels))
    made = state(address, container.name)
    if made is None:
        raise DeployError(f"container {container.name} is gone as soon as it was made")
    if container.devices.kind == "nvidia" and not made.gpus:
        raise DeployError(
            f"the engine at {address} does not hand GPUs to containers by the Docker API; use Docker with the NVIDIA "
            "Container Toolkit"
        )
    return made


def _creation(
    client: DockerClient, container: Container, secrets: Mapping[str, str], labels: Mapping[str, str]
) -> dict[str, Any]:
    """The arguments of the engine's call; `compose.py` says the same in a file."""
    from docker.types import DeviceRequest, Mount

    published = container.published
    gpus = container.devices.kind == "nvidia"
    host_config = client.api.create_host_config(
        network_mode=container.network,
        port_bindings={inside: (HOST, port) for inside, port in published.items()} or None,
        mounts=[
            Mount(type="bind", source=str(mount.source), target=mount.target, read_only=mount.read_only)
            for mount in container.mounts
        ],
        device_requests=[DeviceRequest(driver="nvidia", device_ids=device_ids(container), capabilities=[["gpu"]])]
        if gpus
        else None,
        devices=[f"{there}:{inside}:rwm" for there, inside in device_files(container)],
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


def device_ids(container: Container) -> list[str]:
    """The GPUs of a container, as the engine names them."""
    return [str(index) for index in container.devices.indices]


def device_files(container: Container) -> list[tuple[str, str]]:
    """The Neuron devices of a container, as files of the host and as it sees them itself: numbered from 0 without a
    gap, which is what Neuron's runtime expects of a container."""
    if container.devices.kind != "neuron":
        return []
    return [(f"/dev/neuron{index}", f"/dev/neuron{number}") for number, index in enumerate(container.devices.indices)]


def start(address: str, name: str) -> None:
    """Start a container. Raises DeployError with the engine's reason."""
    with connected(address) as client:
        client.api.start(name)


def state(address: str, name: str) -> State | None:
    """What has become of a container; None where there is none of that name."""
    import docker.errors

    with connected(address) as client:
        try:
            facts = client.api.inspect_container(name)
        except docker.errors.NotFound:
            return None
    said = facts["State"]
    return State(
        running=bool(said.get("Running")),
        status=str(said.get("Status") or "exited"),
        exit_code=said.get("ExitCode"),
        oom_killed=bool(said.get("OOMKilled")),
        error=explained(said["Error"]) if said.get("Error") else "",
        image_id=str(facts["Image"]),
        labels=facts["Config"].get("Labels") or {},
        gpus=bool(facts["HostConfig"].get("DeviceRequests")),
    )


def save_log(address: str, name: str, path: Path) -> None:
    """Keep everything that a container has said so far in a file, in place of what was kept of it before.

    The secrets that it was given are taken out. Nothing is done for a container that is gone: what was kept stays.
    """
    import docker.errors

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    with connected(address) as client:
        try:
            hide = _secret_values(client.api.inspect_container(name)["Config"])
            chunks: Any = client.api.logs(name, stdout=True, stderr=True, stream=True, follow=False)
            with part.open("w", encoding="utf-8", errors="replace") as file:
                for line in _lines(chunks):
                    file.write(hidden_in(line, hide))
            part.replace(path)
        except docker.errors.NotFound:
            return
        except OSError as error:
            raise DeployError(f"{path} cannot be written: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)


def _secret_values(config: Mapping[str, Any]) -> list[str]:
    """The values that a container was given and that a log may repeat; asked of the engine, since no file has them."""
    named = set(str((config.get("Labels") or {}).get(SECRETS_LABEL, "")).split(","))
    variables = (str(variable).partition("=") for variable in config.get("Env") or ())
    return [value for name, _, value in variables if value and (name in named or is_secret(name))]


def hidden_in(text: str, secrets: Iterable[str]) -> str:
    """A text without these secrets, and without what looks like one."""
    for secret in secrets:
        text = text.replace(secret, REMOVED)
    return without_secrets(text)


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Whole lines, so that a secret cut in two is still seen."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", errors="replace") + "\n" for line in whole)
    if rest:
        yield rest.decode("utf-8", errors="replace") + "\n"


def kill(address: str, name: str, mark: str) -> bool:
    """End what runs in the container that the run made. False where there is no such container, or only another's."""
    import docker.errors

    found = state(address, name)
    if found is None or found.labels.get(MARK_LABEL) != mark:
        return False
    if found.running:
        # It may have ended by itself meanwhile; whether it is gone is seen in `remove`.
        with connected(address) as client, contextlib.suppress(docker.errors.APIError):
            client.api.kill(name)
    return True


def remove(address: str, name: str, mark: str) -> None:
    """Remove the container that the run made, and see that it is gone; one of another's is left alone.

    Raises DeployError where it is still there.
    """
    import docker.errors

    if not kill(address, name, mark):
        return
    with connected(address) as client, contextlib.suppress(docker.errors.NotFound):
        client.api.remove_container(name, force=True, v=True)
    left = state(address, name)
    if left is not None and left.labels.get(MARK_LABEL) == mark:
        raise DeployError(f"container {name} is still there ({left.status}); remove it: docker rm --force {name}")
