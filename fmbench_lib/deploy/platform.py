"""What a platform is, and what is recorded of an endpoint.

An `Endpoint` is recorded before the slow part of a deployment begins, so that whatever was started can be found and
deleted by another process, however this one ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

from fmbench_lib.config.platforms import ENDPOINT, installed_platform, known_platforms, platform_facts
from fmbench_lib.deploy.earlier_runs import with_copies
from fmbench_lib.errors import DeployError
from fmbench_lib.host.boot_clock import BootTime, seconds_between
from fmbench_lib.host.process import ProcessMark

if TYPE_CHECKING:  # every server process imports this module, and none needs the config
    from fmbench_lib.config import Experiment

Status = Literal["creating", "in_service", "failed", "deleted"]


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a model that a run has started; None where its platform has no such thing.

    `url` is the full address of its requests, also behind a balancer; `container` a name; `metrics_url` its own page
    for Prometheus; `log` the path of its log file; `devices` its accelerators, such as `nvidia 0` (None: not known,
    empty: it has none); `process` the process that serves it.
    """

    url: str
    container: str | None = None
    metrics_url: str | None = None
    log: str | None = None
    devices: tuple[str, ...] | None = None
    process: ProcessMark | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """A copy as JSON holds it; unknown keys (a later version's) are left out."""
        known: dict[str, Any] = _known(cls, values)
        if known.get("devices") is not None:
            known["devices"] = tuple(known["devices"])
        if known.get("process") is not None:
            known["process"] = ProcessMark(**_known(ProcessMark, known["process"]))
        return cls(**known)


@dataclass(frozen=True, slots=True)
class CloudWatchName:
    """The region and dimensions that CloudWatch publishes an endpoint's metrics under."""

    region: str
    dimensions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one experiment is served, and everything needed to delete it. Times in Unix seconds.

    `urls` holds the full addresses that clients send to, `remote_urls` those for clients on other machines, where a
    server on this one lets them in. `owned` is True where this run created the endpoint and must
    delete it. `resources` is what the platform needs to find what it created; only the platform reads it. `model` is
    the name to send. `served_before` counts the seconds in service of endpoints that this one replaces in a resumed
    run; `in_service_boot` and `deleted_boot` are those moments on a clock that cannot be set. `copies` are those that
    the run started itself; behind a balancer there are more of them than `urls`.
    """

    experiment_name: str
    platform: str
    urls: tuple[str, ...] = ()
    owned: bool = False
    status: Status = "creating"
    resources: tuple[Mapping[str, Any], ...] = ()
    created_at: float | None = None
    in_service_at: float | None = None
    deleted_at: float | None = None
    error: str | None = None
    log_files: tuple[str, ...] = ()
    model: str | None = None
    served_before: float = 0.0
    copies: tuple[Copy, ...] = ()
    cloudwatch: CloudWatchName | None = None
    remote_urls: tuple[str, ...] = ()
    in_service_boot: BootTime | None = None
    deleted_boot: BootTime | None = None

    @property
    def seconds_in_service(self) -> float | None:
        """From in service to deleted: by the clock of the boot, which no one sets, where both were in one boot, else by
        the wall clock. None while it serves, and where it never did."""
        if self.in_service_at is None or self.deleted_at is None:
            return None
        seconds = seconds_between(self.in_service_boot, self.deleted_boot)
        return self.deleted_at - self.in_service_at if seconds is None else seconds

    def to_dict(self) -> dict[str, Any]:
        """The endpoint as JSON can hold it."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Endpoint:
        """The inverse of `to_dict`, also for an earlier version's; unknown keys (a later version's) are left out."""
        known = _known(cls, with_copies(values))
        known.update(
            {key: tuple(known[key]) for key in ("urls", "remote_urls", "resources", "log_files") if key in known}
        )
        known["copies"] = tuple(Copy.from_dict(copy) for copy in known.get("copies", ()))
        if known.get("cloudwatch") is not None:
            known["cloudwatch"] = CloudWatchName(**_known(CloudWatchName, known["cloudwatch"]))
        for name in ("in_service_boot", "deleted_boot"):
            if known.get(name) is not None:
                known[name] = BootTime(**_known(BootTime, known[name]))
        return cls(**known)


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {known.name for known in fields(kind)}
    return {key: value for key, value in values.items() if key in names}


@dataclass(frozen=True, slots=True)
class DeployContext:
    """What a platform is given beside the experiment.

    `folders` is where model files are looked for. `record` stores an endpoint; a platform calls it with whatever it has
    created *before* it waits. `say` shows a line to a person. `probe(url, model)` sends one real request with the
    experiment's codec to an address and raises EndpointError where it fails. `pause` waits so many seconds between two
    checks of what is being created, and raises KeyboardInterrupt where the run has been interrupted. `hf_token` is the
    Hugging Face token that gated models need; it goes into containers and nowhere else. `containers` is the folder for
    an experiment's compose file and the files of its containers; None: beside the logs.
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
    """Deploys an experiment, watches it and deletes it. It keeps no state: any process can do any of it."""

    def plan(self, experiment: Experiment) -> str:
        """What would be deployed or used, one line or one for each of its parts; makes no network call.

        Raises DeployError for what the experiment lacks.
        """
        ...

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        """The experiment's endpoint, in service; raises DeployError, having left nothing running."""
        ...

    def why_dead(self, endpoint: Endpoint) -> str:
        """Why an endpoint does not serve, on one line; empty where it is alive: every address of it answers."""
        ...

    def delete(self, endpoint: Endpoint) -> Endpoint:
        """Delete what the run created and check that it is gone; may be called again. Raises DeployError."""
        ...


@runtime_checkable
class Occupying(Protocol):
    """A platform whose experiments may need the same part of this machine, and then run one after the other."""

    def needs(self, experiment: Experiment) -> frozenset[str]:
        """What the experiment needs for itself, each thing in words: `port 8080`. Looks at this machine alone."""
        ...


@runtime_checkable
class UsingFiles(Protocol):
    """A platform that serves from files of this machine, which a plan can look at."""

    def check_files(self, experiment: Experiment, folders: Sequence[Path]) -> None:
        """Look for what a deployment needs on this machine, without the network; `folders` as in `DeployContext`.

        Raises DeployError where it is missing or corrupt.
        """
        ...


def platform(name: str) -> Platform:
    """The platform of a name: one of fmbench, or of an installed package.

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
    """The platform that uses an existing endpoint, for an experiment of platform `name` that is not deployed."""
    return platform(name if platform_facts(name).names_endpoints else ENDPOINT)
