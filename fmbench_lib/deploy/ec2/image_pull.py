"""Getting an image onto this machine: pulled if it is missing, with a login if its registry is ECR."""

from __future__ import annotations

import base64
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.aws.calls import translated
from fmbench_lib.aws.session import client as aws_client
from fmbench_lib.deploy.ec2.docker import connected, explained
from fmbench_lib.errors import DeployError

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/")
_REPORT_EVERY_S = 10.0
_LOOK_S = 0.2
_SILENCE_S = 900.0
"""A pull without progress for this long is given up."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image on this machine: its local id, and the digests that registries know it by."""

    name: str
    id: str
    digests: tuple[str, ...]
    pulled: bool

    @property
    def pinned(self) -> str:
        """The name with the registry's digest of exactly this image; just the name where no digest is known."""
        repository, tag = _name_and_tag(self.name)
        digests = (digest.rpartition("@") for digest in self.digests)
        pinned_digest = next(
            (digest for registry_repository, _, digest in digests if registry_repository.endswith(repository)), None
        )
        return self.name if pinned_digest is None or "@" in self.name else f"{repository}:{tag}@{pinned_digest}"


def ensure_image(address: str, name: str, say: Callable[[str], None], pause: Callable[[float], None]) -> Image:
    """The image on this machine, pulled only if there is none of that name.

    `say` is called with the progress every few seconds; `pause` may raise to interrupt. Raises DeployError, one line:
    no such image, no permission to read it, no disk space, or a pull that stalls.
    """
    image = find_image(address, name)
    if image is not None:
        say(f"image {name} is already on this machine")
        return image
    login = ecr_login(name)
    say(f"pulling image {name}" + (", logged in to ECR" if login else ""))
    started = time.monotonic()
    _pull(address, name, login, say, pause)
    pulled = find_image(address, name)
    if pulled is None:
        raise DeployError(f"image {name} was pulled, but the engine does not list it under that name")
    say(f"pulled image {name} in {time.monotonic() - started:.0f} s")
    return Image(pulled.name, pulled.id, pulled.digests, True)


def find_image(address: str, name: str) -> Image | None:
    """The image as this machine has it; None where there is none of that name."""
    import docker.errors

    with connected(address) as client:
        try:
            api: Any = client.api  # its inspect_image has no types
            facts = api.inspect_image(name)
        except docker.errors.NotFound:
            return None
    return Image(name, str(facts["Id"]), tuple(facts.get("RepoDigests") or ()), False)


def ecr_login(name: str) -> dict[str, str] | None:
    """Username and password for an ECR registry, valid for twelve hours; None for an image of another registry.

    They are passed to the engine with the pull and are stored in no file.
    """
    match = _ECR.match(name)
    if match is None:
        return None
    with translated(f"logging in to ECR for image {name}"):
        answer = aws_client("ecr", match["region"]).get_authorization_token(registryIds=[match["account"]])
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    user, _, password = token.partition(":")
    return {"username": user, "password": password}


def _pull(
    address: str,
    name: str,
    login: dict[str, str] | None,
    say: Callable[[str], None],
    pause: Callable[[float], None],
) -> None:
    """Pull in a separate thread: the engine may be silent for long, and Ctrl-C must still work."""
    events: queue.SimpleQueue[Mapping[str, Any] | Exception | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(address, name, login, events), name=f"pull {name}", daemon=True).start()
    progress, reported_at, last_event_at = Progress(), time.monotonic(), time.monotonic()
    while True:
        pause(0)
        try:
            event = events.get(timeout=_LOOK_S)
        except queue.Empty:
            if time.monotonic() - last_event_at > _SILENCE_S:
                raise DeployError(f"pulling image {name}: no progress for {_SILENCE_S:g} s") from None
            continue
        last_event_at = time.monotonic()
        if event is None:
            return
        if isinstance(event, Exception):
            raise DeployError(_refusal(name, str(event))) from None
        progress.update(event)
        if last_event_at - reported_at > _REPORT_EVERY_S:
            reported_at = last_event_at
            say(f"pulling image {name}: {progress.text()}")


def _listen(
    address: str,
    name: str,
    login: dict[str, str] | None,
    events_out: queue.SimpleQueue[Mapping[str, Any] | Exception | None],
) -> None:
    try:
        with connected(address, timeout=_SILENCE_S) as client:
            repository, tag = _name_and_tag(name)
            events: Iterable[Mapping[str, Any]] = client.api.pull(
                repository, tag=tag, stream=True, decode=True, auth_config=login
            )
            refusal = None
            for event in events:  # read to the end, which closes the connection
                refusal = refusal or event.get("error")
                events_out.put(event)
        events_out.put(None if refusal is None else DeployError(explained(str(refusal))))
    except Exception as error:  # noqa: BLE001 - every error is passed to the waiting thread
        events_out.put(error)


def _name_and_tag(name: str) -> tuple[str, str | None]:
    """Repository and tag as the engine's API takes them: a digest goes as a tag, and `latest` is the default."""
    repository, at, digest = name.partition("@")
    if at:
        return repository, digest
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _refusal(name: str, reason: str) -> str:
    if re.search(r"unauthorized|authentication required|denied|forbidden|no basic auth", reason, re.I):
        remedy = "log in to the registry (docker login), or correct image_uri"
        return f"image {name} is not on this machine and its registry denies access: {reason}; {remedy}"
    if re.search(r"not found|manifest unknown|unknown: |no such image", reason, re.I):
        return f"image {name} is not on this machine and not in its registry: {reason}; correct image_uri, or build it"
    return f"pulling image {name}: {reason}"


class Progress:
    """The progress of a pull, summed over the engine's events for each layer."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._status = ""

    def update(self, event: Mapping[str, Any]) -> None:
        """Account for one event of a pull."""
        detail = event.get("progressDetail") or {}
        layer = str(event.get("id") or "")
        if event.get("status") == "Downloading" and detail.get("total"):
            self._layers[layer] = (int(detail.get("current") or 0), int(detail["total"]))
        elif event.get("status") == "Download complete" and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
        self._status = str(event.get("status") or event.get("stream") or self._status).strip()

    def text(self) -> str:
        """The bytes downloaded and the total known so far, and the engine's current status."""
        done, total = (sum(layer[i] for layer in self._layers.values()) for i in (0, 1))
        if not total:
            return self._status
        return f"{done / 1e9:.2f} of {total / 1e9:.2f} GB ({self._status})"
