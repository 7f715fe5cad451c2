"""What a platform is, and what is remembered of an endpoint.

An `Endpoint` is written down before the slow part of a deployment begins, so that whatever was started can be found
and taken down again by another process, after any kind of death of this one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from fmbench_lib.config.platforms import ENDPOINT, installed_platform, known_platforms, platform_facts
from fmbench_lib.errors import DeployError

if TYPE_CHECKING:  # every server process imports this module, and none needs the config
    from fmbench_lib.config import Experiment

Status = Literal["creating", "in_service", "failed", "deleted"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one experiment answers, and everything needed to take it down. Times in Unix seconds.

    `urls` holds one full address per copy, as clients send to it. `owned` is True where this run made the endpoint and
    must delete it. `resources` is what the platform needs to find again what it made. `model` is the name to send.
    `served_before` counts the seconds in service of endpoints that this one takes the place of, in a resumed run.
    """

    experiment_name: str
    platform: str
    urls: tuple[str, ...] = ()
    owned: bool = False
    status: Status = "creating"
    resources: tuple[dict[str, Any], ...] = ()
    created_at: float | None = None
    in_service_at: float | None = None
    deleted_at: float | None = None
    error: str | None = None
    log_files: tuple[str, ...] = ()
    model: str | None = None
    served_before: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Endpoint:
        """The inverse of `to_dict`; keys it doesn't know (a later version's) are left out."""
        known = {one.name for one in fields(cls)}
        given: dict[str, Any] = {key: values[key] for key in values if key in known}
        given.update({key: tuple(given[key]) for key in ("urls", "resources", "log_files") if key in given})
        return cls(**given)


@dataclass(frozen=True, slots=True)
class DeployContext:
    """What a platform is given beside the experiment.

    `folders` is where model files are looked for. `record` keeps an endpoint; a platform calls it with whatever it has
    made *before* it waits. `say` shows a line to a person. `probe(url, model)` sends one real request with the
    experiment's codec to an address and raises EndpointError where the answer is no success. `pause` waits so many
    seconds between two looks at what is being made, and raises KeyboardInterrupt where the run has been interrupted.
    `hf_token` is the Hugging Face token that gated models need; it goes into containers and nowhere else. `containers`
    is the folder for what an experiment's containers are made from, and their compose file; None: beside the logs.
    """

    run_id: str
    log_folder: Path
    folders: Sequence[Path]
    record: Callable[[Endpoint], None]
    say: Callable[[str], None]
    probe: Callable[[str, str | None], None]
    pause: Callable[[float], None] = time.sleep
    hf_token: str | None = field(default=None, repr=False)
    containers: Path | None = None


class Platform(Protocol):
    """Deploys an experiment, watches it and takes it down. It keeps no state: any process can do any of it."""

    def plan(self, experiment: Experiment) -> str:
        """What would be deployed or used, one line or one for each of its parts. Raises DeployError for what the
        experiment lacks; asks nobody."""
        ...

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The experiment's endpoint, in service; raises DeployError, having left nothing running."""
        ...

    def alive(self, endpoint: Endpoint) -> bool:
        """Whether every address of the endpoint still answers."""
        ...

    def why_dead(self, endpoint: Endpoint) -> str:
        """One line: what is wrong with an endpoint that is not alive; empty where nothing is."""
        ...

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Take down what the run made, seen to be gone; may be called again. Raises DeployError where it is not."""
        ...


@runtime_checkable
class Occupying(Protocol):
    """A platform whose experiments may need the same part of this machine, and then run one after the other."""

    def needs(self, experiment: Experiment) -> frozenset[str]:
        """What the experiment needs for itself, each thing in words: `port 8080`. Asks nobody but this machine."""
        ...


def platform(name: str) -> Platform:
    """The platform of that name: ours, or an installed package's.

    :raises DeployError: there is none.
    :raises InputError: the package that adds it cannot be imported.
    """
    facts = platform_facts(name)
    home: Any = installed_platform(name) if facts.module is None else import_module(facts.module)
    if home is None:
        raise DeployError(f"unknown platform {name!r}; there are: {', '.join(known_platforms())}")
    service: Platform = home.PLATFORM
    return service


def platform_of_existing(name: str) -> Platform:
    """The platform that takes an endpoint as it is, for an experiment of platform `name` that is not deployed."""
    return platform(name if platform_facts(name).names_endpoints else ENDPOINT)
