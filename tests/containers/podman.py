"""podman as a container engine of a test's own: its own storage and its own socket, which speaks the Docker API."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("podman", "runc", "iptables", "nginx")
_CONFIG = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


REGISTRY_PORT = 47961
REGISTRY = f"127.0.0.1:{REGISTRY_PORT}"
"""Where tests serve a registry of their own, without TLS."""
_REGISTRIES = f'[[registry]]\nlocation = "{REGISTRY}"\ninsecure = true\n'


class NoEngineError(Exception):
    """Why there are no containers on this machine."""


@dataclass(frozen=True)
class Engine:
    """`command` begins each call of podman, `address` is what DOCKER_HOST is set to."""

    command: list[str]
    address: str

    def run(self, *words: str) -> str:
        """What podman says to a command."""
        return subprocess.run([*self.command, *words], capture_output=True, text=True, check=True).stdout

    def containers(self) -> list[str]:
        """The names of all containers that there are, running or not."""
        return self.run("ps", "--all", "--format", "{{.Names}}").split()


@contextlib.contextmanager
def podman(folder: Path, storage: Path | None = None) -> Iterator[Engine]:
    """The engine, for as long as this is open; `storage` is where it keeps images and containers.

    Raises NoEngineError with the reason where there can be none.
    """
    missing = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None]
    if missing:
        raise NoEngineError(f"{', '.join(missing)} is not installed: apt-get install {' '.join(NEEDED)} netavark")
    if os.geteuid() != 0:
        raise NoEngineError("podman's containers get their ports published here only for root")
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "containers.conf"
    config.write_text(_CONFIG)
    address = folder / "podman.sock"
    assert len(str(address)) < 100, "a socket's path has no room for more"
    command = [
        "podman",
        "--root",
        str(storage or folder / "root"),
        "--runroot",
        str(folder / "run"),
        "--log-level",
        "error",
    ]
    registries = folder / "registries.conf"
    registries.write_text(_REGISTRIES)
    settings = {"CONTAINERS_CONF": str(config), "CONTAINERS_REGISTRIES_CONF": str(registries)}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    with (folder / "service.log").open("wb") as log:
        service = subprocess.Popen(
            [*command, "system", "service", "--time=0", f"unix://{address}"], stdout=log, stderr=log
        )
    try:
        _wait_for(address, service, folder / "service.log")
        yield Engine(command, f"unix://{address}")
    finally:
        service.terminate()
        service.wait(timeout=30)
        subprocess.run([*command, "rm", "--all", "--force", "--time=0"], capture_output=True, check=False)
        subprocess.run([*command, "unmount", "--all", "--force"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _wait_for(address: Path, service: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while not _answers(address):
        if service.poll() is not None or time.monotonic() > deadline:
            raise NoEngineError(f"podman does not serve here: {log.read_text(errors='replace').strip()[-300:]}")
        time.sleep(0.02)


def _answers(address: Path) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        try:
            connection.connect(str(address))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            answer.read()
            return answer.status == 200
        except OSError:
            return False
