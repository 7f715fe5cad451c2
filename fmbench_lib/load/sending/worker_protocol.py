"""What the engine and its workers say to one another: the plan that a worker starts with, and its messages.

engine → worker   `go <monotonic ns>`: begin at that time. `stop`: send nothing more, what is in flight may end.
                  `cut`: what is in flight ends now, as `cancelled`.
                  `keys <JSON>`: sign with these from now on. End of file: the engine is gone, stop at once, or with
                  `write_each` when what is in flight has ended. The lock of the spool is held until then.
worker → engine   one JSON object a line: `ready`, `progress` twice a second, `end`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

KEYS = b"keys "
"""How the line with keys to sign with begins."""

CUT = b"cut"
"""The line that ends what is in flight."""

SHARED_BYTES = 8
"""Of the file that all workers of a level map: monotonic ns of the first measured request, 0 before it."""


class Address(TypedDict):
    """Where to connect to for a URL. `authority` is how the URL spells it, which is what `Host` says."""

    host: str
    port: int
    tls: bool
    authority: str


class WorkerLoad(TypedDict):
    """What workers act on of a level's `LoadSettings`, in its units. The plan holds the other settings too."""

    timeout: float
    connect_timeout: float | None
    first_byte_timeout: float | None
    read_timeout: float | None
    max_concurrency: int | None
    think_time: float
    ramp: float
    max_response_bytes: int
    balance: str
    ca_bundle: str | None


class SigningScope(TypedDict):
    """What requests to AWS are signed for, as `aws.signing.Signing` has it."""

    service: str
    region: str


class WorkerPlan(TypedDict):
    """What one worker does of a level, as the JSON file that it is started with. Times are in seconds.

    `number` counts the workers from 0. `slots` are those of the closed loop that are this worker's, `first_prompts`
    what they send first, `cap` its share of an open loop's cap. `ramp_prompts` are sent while the slots open.
    `first_measured` is the position of the first measured request. `latencies`: progress messages carry them. `sent` is
    the file of marks of how far the workers are. `script` is where in the file of prompts the user script's settings
    are, offset and length. `write_each`: see `Level`.
    """

    level_id: str
    number: int
    workers: int
    load: WorkerLoad
    concurrency: int | None
    slots: list[int]
    cap: int | None
    duration: float | None
    min_requests: int
    warmup: int
    first_measured: int
    first_prompts: list[int]
    ramp_prompts: list[int]
    horizon: float | None
    latencies: bool
    targets: list[Address]
    signing: SigningScope | None
    script: tuple[int, int] | None
    index: str
    shared: str
    sent: str
    spool: str
    write_each: bool
    prompts_fd: int
    sequence_fd: int


class Ready(TypedDict):
    """The worker can begin."""

    event: Literal["ready"]


class Failed(TypedDict):
    """The worker cannot begin, as its user's script cannot."""

    event: Literal["failed"]
    message: str


class ProgressMessage(TypedDict):
    """How far a worker is. Counts include the warm-up; `latencies` (s) are of the successes since the last message."""

    event: Literal["progress"]
    sent: int
    done: int
    errors: int
    in_flight: int
    latencies: list[float]


class End(TypedDict):
    """What the engine needs to know at the end: the window's edges, why it ended, the CPU used in it, the clocks.

    `out_of_time`: its duration ended the level, `overran`: not before the least number of requests, `told`: the engine
    did. `cpu` is the share of a core, None where that is not known. `clock_samples` are `(monotonic, wall)` in ns,
    `suspensions` of the machine when they were noticed, on the monotonic clock, and their lengths in ns.
    """

    event: Literal["end"]
    sent: int
    done: int
    errors: int
    stopped_ns: int | None
    out_of_time: bool
    told: bool
    overran: bool
    first_due_ns: int | None
    last_sent_ns: int | None
    cpu: float | None
    clock_samples: list[tuple[int, int]]
    suspensions: list[tuple[int, int]]


Message: TypeAlias = Ready | Failed | ProgressMessage | End
