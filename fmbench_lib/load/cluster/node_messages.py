"""What the driver and the nodes of a cluster hand each other. Times are in ns of the node's monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fmbench_lib.load.cluster.sharing import Entries
from fmbench_lib.load.recording.recorder import Recorder
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.worker_protocol import SigningScope


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """A node's process: which fmbench and Python it has, where it is, and how many cores it may use."""

    fmbench: str
    python: str
    host: str
    cores: int


@dataclass(frozen=True, slots=True)
class CommonPart:
    """What all nodes get of a level. `requests` and `index` are as `RequestWriter` writes them, `workers` counts those
    of all nodes, `proxies` are the environment's variables about proxies, `ca_bundle` what is in that file."""

    level: Level
    level_id: str
    requests: bytes
    index: bytes
    recorder: Recorder
    workers: int
    horizon: float | None
    reason: str
    signing: SigningScope | None
    proxies: Mapping[str, str]
    ca_bundle: bytes | None


@dataclass(frozen=True, slots=True)
class NodePart:
    """What one node does of it: the numbers of its workers, and what they send."""

    workers: tuple[int, ...]
    entries: Entries


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """How far a node is. Counts include the warm-up.

    `latencies` (s) are those of successes since the last status, where the level's end depends on them. `ended`: all
    its workers have. `exhausted`: its part of a closed loop's order is used up. `window_start_ns` is when the level's
    first measured request was due, where this node has sent it. `failure` is why it cannot go on, None where it can.
    """

    sent: int
    done: int
    errors: int
    in_flight: int
    latencies: tuple[float, ...] = ()
    ended: bool = False
    exhausted: bool = False
    window_start_ns: int | None = None
    failure: str | None = None
