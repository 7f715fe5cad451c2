"""An image brought onto this machine: pulled where it is not there yet, with a login where its registry is ECR."""

from __future__ import annotations

import base64
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.aws.calls import client as aws_client
from fmbench_lib.aws.calls import saying
from fmbench_lib.deploy.ec2.docker import connected, explained
from fmbench_lib.errors import DeployError

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/")
_REPORT_EVERY_S = 10.0
_LOOK_S = 0.2
_SILENCE_S = 900.0
"""A registry or a disk that does nothing for so long will not do anything more."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image on this machine: the id it is known by, and the digests by which registries know it."""

    name: str
    id: str
    digests: tuple[str, ...]
    pulled: bool

    @property
    def pinned(self) -> str:
        """The name with the digest that registries know this very image by; the name alone where none does."""
        repository, tag = _name_and_tag(self.name)
        known = (digest.rpartition("@") for digest in self.digests)
        found = next((digest for place, _, digest in known if place.endswith(repository)), None)
        return self.name if found is None or "@" in self.name else f"{repository}:{tag}@{found}"


def ensure_image(address: str, name: str, say: Callable[[str], None], pause: Callable[[float], None]) -> Image:
    """The image, pulled only where this machine has none of that name.

    `say` hears of the progress every few seconds; `pause` lets an interruption through. Raises DeployError, one line:
    no such image, no leave to read it, no room for it, or a pull that stands still.
    """
    found = find_image(address, name)
    if found is not None:
        say(f"image {name} is on this machine")
        return found
    login = ecr_login(name)
    say(f"pulling image {name}" + (", logged in to ECR" if login else ""))
    started = time.monotonic()
    _pull(address, name, login, say, pause)
    pulled = find_image(address, name)
    if pulled is None:
        raise DeployError(f"image {name} was pulled, but the engine does not have it under that name")
    say(f"pulled image {name} in {time.monotonic() - started:.0f} s")
    return Image(pulled.name, pulled.id, pulled.digests, True)


def find_image(address: str, name: str) -> Image | None:
    """The image as this machine has it; None where it has none of that name."""
    import docker.errors

    with connected(address) as client:
        try:
            api: Any = client.api  # a method of it has no types
            facts = api.inspect_image(name)
        except docker.errors.NotFound:
            return None
    return Image(name, str(facts["Id"]), tuple(facts.get("RepoDigests") or ()), False)


def ecr_login(name: str) -> dict[str, str] | None:
    """Name and password for the registry of an image in ECR, good for twelve hours; None for another registry.

    They are handed to the engine with the pull and stand in no file.
    """
    found = _ECR.match(name)
    if found is None:
        return None
    with saying(f"logging in to ECR for image {name}"):
        answer = aws_client("ecr", found["region"]).get_authorization_token(registryIds=[found["account"]])
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
    """Pull in a thread beside, since the engine may say nothing for long and a Ctrl-C must be heard all the same."""
    heard: queue.SimpleQueue[Mapping[str, Any] | Exception | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(address, name, login, heard), name=f"pull {name}", daemon=True).start()
    progress, reported, last = Progress(), time.monotonic(), time.monotonic()
    while True:
        pause(0)
        try:
            event = heard.get(timeout=_LOOK_S)
        except queue.Empty:
            if time.monotonic() - last > _SILENCE_S:
                raise DeployError(f"pulling image {name}: nothing has come for {_SILENCE_S:g} s") from None
            continue
        last = time.monotonic()
        if event is None:
            return
        if isinstance(event, Exception):
            raise DeployError(_refused(name, str(event))) from None
        progress.hear(event)
        if last - reported > _REPORT_EVERY_S:
            reported = last
            say(f"pulling image {name}: {progress.text()}")


def _listen(
    address: str,
    name: str,
    login: dict[str, str] | None,
    heard: queue.SimpleQueue[Mapping[str, Any] | Exception | None],
) -> None:
    try:
        with connected(address, timeout=_SILENCE_S) as client:
            repository, tag = _name_and_tag(name)
            events: Iterable[Mapping[str, Any]] = client.api.pull(
                repository, tag=tag, stream=True, decode=True, auth_config=login
            )
            refusal = None
            for event in events:  # to its end, which closes the connection
                refusal = refusal or event.get("error")
                heard.put(event)
        heard.put(None if refusal is None else DeployError(explained(str(refusal))))
    except Exception as error:  # noqa: BLE001 - whatever it is belongs to the thread that waits
        heard.put(error)


def _name_and_tag(name: str) -> tuple[str, str | None]:
    """What the engine takes apart: a digest goes as a tag, and without either it is `latest`."""
    repository, at, digest = name.partition("@")
    if at:
        return repository, digest
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _refused(name: str, said: str) -> str:
    if re.search(r"unauthorized|authentication required|denied|forbidden|no basic auth", said, re.I):
        remedy = "log in to its registry (docker login), or correct image_uri"
        return f"image {name} is not on this machine and its registry does not give it out: {said}; {remedy}"
    if re.search(r"not found|manifest unknown|unknown: |no such image", said, re.I):
        return f"image {name} is not on this machine and not in its registry: {said}; correct image_uri, or build it"
    return f"pulling image {name}: {said}"


class Progress:
    """How far a pull has come, from what the engine says of each layer."""

    def __init__(self) -> None:
        self._layers: dict[str, tuple[int, int]] = {}
        self._said = ""

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in one event of a pull."""
        detail = event.get("progressDetail") or {}
        layer = str(event.get("id") or "")
        if event.get("status") == "Downloading" and detail.get("total"):
            self._layers[layer] = (int(detail.get("current") or 0), int(detail["total"]))
        elif event.get("status") == "Download complete" and layer in self._layers:
            self._layers[layer] = (self._layers[layer][1],) * 2
        self._said = str(event.get("status") or event.get("stream") or self._said).strip()

    def text(self) -> str:
        """The bytes that have come and those that are known to come, and what is done now."""
        done, total = (sum(layer[i] for layer in self._layers.values()) for i in (0, 1))
        if not total:
            return self._said
        return f"{done / 1e9:.2f} of {total / 1e9:.2f} GB ({self._said})"
