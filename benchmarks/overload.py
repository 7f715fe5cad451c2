"""Whether the verdict is right: levels in a known state, and what the verdict says of them.

    python benchmarks/overload.py [SECONDS]

An idle client should be valid. A client whose cores other processes burn, or whose single worker gets more than it can
do, should be degraded or invalid with the client as a reason; a server that slows down during the level should be not
steady. Prints a table with the reasons below it, writes `benchmarks/results/overload.json`, and fails if a verdict is
wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from output import print_table, write_result
from single_level import measure

from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.metrics.reasons import REASON_SEPARATOR

BURNERS_PER_CORE = 6
BURN = """
import contextlib, os, sys, time
with contextlib.suppress(OSError):  # what is no more urgent than the client does not delay it
    os.setsid()
    os.nice(-20)
    open("/proc/self/autogroup", "w").write("-20")
parent, until = os.getppid(), time.monotonic() + float(sys.argv[1])
while os.getppid() == parent and time.monotonic() < until:
    for _ in range(100_000):
        pass
"""
CHAT = Behaviour(ttft=Constant(0.1), itl=Constant(0.01), tokens=Constant(30))
SHORT = Behaviour(ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(2))
DRIFTING = Behaviour(ttft=Constant(0.1), itl=Constant(0.01), tokens=Constant(30), drift=0.05)
COLUMNS = (
    ("level", "level"),
    ("expected", "expected"),
    ("verdict", "verdict"),
    ("client_limited", "client limited"),
    ("requests", "requests"),
    ("latency_p50_ms", "latency p50 ms"),
    ("client_lag_p99_ms", "client lag p99 ms"),
    ("schedule_lag_p99_ms", "schedule lag p99 ms"),
    ("client_cpu", "client CPU"),
    ("latency_drift", "latency drift"),
)

Row = Mapping[str, Any]


def is_valid(row: Row) -> bool:
    """The level is valid and the client is not limiting."""
    return row["verdict"] == "valid" and not row["client_limited"]


def blames_the_client(row: Row) -> bool:
    """The level is not valid, and the client is a reason."""
    return row["verdict"] in ("degraded", "invalid") and bool(row["client_limited"])


def is_not_steady(row: Row) -> bool:
    """The level is not valid, and a trend is a reason."""
    return row["verdict"] in ("degraded", "invalid") and "not steady" in (row["verdict_reasons"] or "")


@dataclass(frozen=True, slots=True)
class Case:
    """A level in a known state, and what its row should say."""

    name: str
    expected: str
    holds: Callable[[Row], bool]
    behaviour: Behaviour
    load: Mapping[str, Any]
    burnt: bool = False
    most_s: float = float("inf")


CASES = (
    Case("idle client, closed loop", "valid", is_valid, CHAT, {"concurrency": 8}),
    Case("idle client, open loop", "valid", is_valid, CHAT, {"request_rate": 20.0, "arrival": "poisson"}),
    Case("burnt cores, closed loop", "client", blames_the_client, CHAT, {"concurrency": 64}, burnt=True),
    Case("burnt cores, open loop", "client", blames_the_client, CHAT, {"request_rate": 150.0}, burnt=True),
    Case("15,000 requests/s of one worker", "client", blames_the_client, SHORT, {"request_rate": 15_000.0}, most_s=5),
    Case("server that slows down by 5%/s", "not steady", is_not_steady, DRIFTING, {"concurrency": 8}),
)


class Burners:
    """Other processes that compete for every core, several times over, with higher priority if permitted.

    They start when the level reports progress: a run times nothing before a level, and nothing after it.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._processes: list[subprocess.Popen[bytes]] = []

    def begin(self, _: object) -> None:
        """Start them, once."""
        if not self._processes:
            count = BURNERS_PER_CORE * (os.cpu_count() or 1)
            command = [sys.executable, "-c", BURN, str(self._seconds)]
            self._processes = [subprocess.Popen(command) for _ in range(count)]

    def end(self) -> None:
        """Kill those that are still running."""
        for process in self._processes:
            process.kill()
            process.wait()


def judge(case: Case, seconds: float) -> dict[str, Any]:
    """Measure one level and return its verdict."""
    prompts = [f"{case.name} {n}" for n in range(2000)]
    seconds = min(seconds, case.most_s)
    burners = Burners(seconds)
    more: dict[str, Any] = {"on_figures": burners.begin} if case.burnt else {}
    with launch(case.behaviour) as server:
        try:
            row = measure(server.url, prompts, duration=seconds, warmup=8, workers=1, **case.load, **more).row
        finally:
            burners.end()
    return {
        "level": case.name,
        "expected": case.expected,
        "as_expected": case.holds(row),
        **{key: row[key] for key in ("verdict", "client_limited", "requests", "errors", "window_s", "latency_drift")},
        "latency_p50_ms": 1000 * row["latency_p50"],
        "client_lag_p99_ms": 1000 * row["client_lag_p99"],
        "schedule_lag_p99_ms": 1000 * row["schedule_lag_p99"],
        "client_cpu": row["client_cpu_max"],
        "reasons": (row["verdict_reasons"] or "").split(REASON_SEPARATOR) if row["verdict_reasons"] else [],
    }


def main(argv: Sequence[str]) -> int:
    seconds = float(argv[0]) if argv else 15.0
    rows = [judge(case, seconds) for case in CASES]
    print_table(COLUMNS, rows)
    for row in rows:
        print(f"  {row['level']}: {row['verdict']}" + "".join(f"\n    - {reason}" for reason in row["reasons"]))
    wrong = [row["level"] for row in rows if not row["as_expected"]]
    print(f"not as expected: {'; '.join(wrong)}" if wrong else "every verdict is as expected")
    write_result("overload", {"seconds": seconds, "levels": rows})
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
