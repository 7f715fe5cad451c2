"""The shape of `run.json`: what a run was made from, where it is kept, and how far each step has come."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from fmbench_lib.host.facts import HostFacts
from fmbench_lib.host.process_identity import ProcessIdentity

RunStatus = Literal["running", "finished", "failed", "interrupted"]
StepStatus = Literal["running", "done", "failed", "interrupted"]


class StepState(TypedDict):
    """How far a step has come. `started` is a UTC time in ISO 8601, `error` is `ErrorClass: message`."""

    status: StepStatus
    started: str
    duration_s: NotRequired[float]
    error: NotRequired[str]


class Outage(TypedDict):
    """A time from which files could not be sent to the bucket, and why."""

    since: str
    said: str


class Kept(TypedDict, total=False):
    """Where the run is kept: `where` is `local` (its directory), `s3` (a bucket) or `both`."""

    where: str
    address: str | None
    region: str | None
    local_only: bool
    outages: list[Outage]


class CalibrationReference(TypedDict):
    """The calibration of the machine that measured. `file` and `error` are always there; the others where the file
    could be read, and then `error` is null. `within` has by limit (`1_ms`) the most streams, and content events
    per second, whose TTFT is measured within it."""

    file: str
    date: NotRequired[str]
    fmbench: NotRequired[str]
    same_machine: NotRequired[bool]
    same_version: NotRequired[bool]
    within: NotRequired[dict[str, dict[str, float | None]]]
    error: str | None


class RunChanges(TypedDict, total=False):
    """The keys of `run.json` that change after it was made; a mapping is merged into the one that is there."""

    status: RunStatus
    process: ProcessIdentity
    exit_code: int
    steps: dict[str, StepState]
    kept: Kept
    calibration: CalibrationReference | None


class RunState(TypedDict):
    """`run.json`. Secrets are in none of its values."""

    run_id: str
    name: str
    status: RunStatus
    process: NotRequired[ProcessIdentity]
    """What executes the run while its status is `running`."""
    config_file: str
    config_address: NotRequired[str | None]
    """The s3:// or https:// address that the config was fetched from."""
    config_sha256: str
    """Of the config's text with its placeholders filled in."""
    arguments: dict[str, str]
    """`-A`, and `--set` under its whole name (`--set load.requests`), except for secrets."""
    standard: dict[str, str]
    """Standard placeholders (region, role, buckets) and their values."""
    kept: NotRequired[Kept]
    """Missing in runs made before runs could be kept in buckets."""
    seed: int
    created: str
    versions: dict[str, str]
    host: HostFacts
    notices: list[str]
    steps: dict[str, StepState]
    exit_code: NotRequired[int]
    calibration: NotRequired[CalibrationReference | None]


class Event(TypedDict):
    """What every line of `events.jsonl` has; the facts of the event stand beside."""

    time: str
    event: str
