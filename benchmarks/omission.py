"""Coordinated omission: what a server that freezes in the middle of a level does to its percentiles.

    python benchmarks/omission.py [SECONDS]

The emulator freezes for 2 s in the middle of levels of 100 requests/s. The expected values follow from schedule and
freeze alone: a request due during the freeze waits until it ends. The table compares the percentiles measured from
`due` and from `sent` with them, for an open loop, an open loop with a cap on requests in flight, and a closed loop with
as many in flight as the open loop has without the freeze. Writes `benchmarks/results/omission.json`, and fails if a p95
or p99 from `due` is off by more than 5%.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from output import print_table, write_result
from single_level import Measured, measure

from fmbench_lib.emulator import Behaviour, Constant, launch

RATE = 100.0
TTFT, ITL, TOKENS = 0.03, 0.002, 6
LATENCY = TTFT + (TOKENS - 1) * ITL
FREEZE = 2.0
IN_FLIGHT = round(RATE * LATENCY)
CAP = 4 * IN_FLIGHT
ALLOWED = 0.05
COLUMNS = (
    ("load", "load"),
    ("clock", "latency from"),
    ("requests", "requests"),
    ("delayed", "delayed by it"),
    ("p50_s", "p50 s"),
    ("p95_s", "p95 s"),
    ("p95_expected_s", "expected"),
    ("p99_s", "p99 s"),
    ("p99_expected_s", "expected"),
    ("p99_off", "p99 off"),
    ("max_s", "max s"),
)
SAYS = {
    ("open loop", "due"): "what users feel: all who came while the server stood still wait for it, the full triangle",
    ("open loop", "sent"): "the same, since the client held nothing back: every request was sent when it was due",
    ("open loop, capped", "due"): "what users feel, the wait for a place under the cap included",
    ("open loop, capped", "sent"): "what the server did with what it got: only the requests under the cap show it",
    ("closed loop", "due"): "the slots wait with the server, and nobody asks meanwhile: the freeze is all but hidden",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """Latencies from `due` and from `sent`, s, that follow from the schedule and the freeze."""

    due: np.ndarray
    sent: np.ndarray


def expected(dues: Iterable[float], freeze_at: float, slots: float = float("inf")) -> Expected:
    """Each request begins when it is due and, with `slots`, one of them is free; a request due at -inf begins then."""
    ends: list[float] = []
    from_due, from_sent = [], []
    for due in dues:
        begin = max(due, heapq.heappop(ends)) if len(ends) >= slots else max(due, 0.0)
        end = answered(begin, freeze_at)
        heapq.heappush(ends, end)
        from_due.append(end - (begin if due == -np.inf else due))
        from_sent.append(end - begin)
    return Expected(np.array(from_due), np.array(from_sent))


def answered(begin: float, freeze_at: float) -> float:
    """When a request that begins at this time has its last token: a freeze delays every request it meets."""
    thaw = freeze_at + FREEZE
    if begin >= thaw or begin + LATENCY <= freeze_at:
        return begin + LATENCY
    return begin + LATENCY + FREEZE if begin < freeze_at else thaw + LATENCY


def run(seconds: float, **load: Any) -> Measured:
    """A level on its own server, which freezes in the middle."""
    behaviour = Behaviour(
        ttft=Constant(TTFT), itl=Constant(ITL), tokens=Constant(TOKENS), stall_at=seconds / 2, stall_for=FREEZE
    )
    with launch(behaviour) as server:
        return measure(server.url, [f"prompt {n}" for n in range(round(seconds * RATE))], workers=1, **load)


def figures(load: str, clock: str, measured: np.ndarray, wanted: np.ndarray) -> dict[str, Any]:
    """One line of the table; times in seconds."""
    p50, p95, p99 = (float(np.percentile(measured, q)) for q in (50, 95, 99))
    p95_expected, p99_expected = (float(np.percentile(wanted, q)) for q in (95, 99))
    return {
        "load": load,
        "clock": clock,
        "requests": measured.size,
        "delayed": int((measured > 2 * LATENCY).sum()),
        "p50_s": p50,
        "p95_s": p95,
        "p95_expected_s": p95_expected,
        "p95_off": p95 / p95_expected - 1,
        "p99_s": p99,
        "p99_expected_s": p99_expected,
        "p99_off": p99 / p99_expected - 1,
        "max_s": float(measured.max()),
        "says": SAYS[load, clock],
    }


def compare(seconds: float) -> list[dict[str, Any]]:
    """All lines of the table."""
    dues = [number / RATE for number in range(round(seconds * RATE))]
    loads: dict[str, tuple[dict[str, Any], Expected]] = {
        "open loop": ({"request_rate": RATE}, expected(dues, seconds / 2)),
        "open loop, capped": ({"request_rate": RATE, "max_concurrency": CAP}, expected(dues, seconds / 2, CAP)),
        "closed loop": ({"concurrency": IN_FLIGHT}, expected([-np.inf] * len(dues), seconds / 2, IN_FLIGHT)),
    }
    rows = []
    for name, (load, wanted) in loads.items():
        level = run(seconds, **load)
        assert level.row["errors"] == 0, level.row["errors_by_class"]
        rows.append(figures(name, "due", level.requests["latency"].to_numpy(), wanted.due))
        if (name, "sent") in SAYS:
            rows.append(figures(name, "sent", level.requests["latency_from_sent"].to_numpy(), wanted.sent))
    return rows


def main(argv: Sequence[str]) -> int:
    seconds = float(argv[0]) if argv else 30.0
    rows = compare(seconds)
    print(f"{RATE:g} requests/s, {1000 * LATENCY:g} ms each, for {seconds:g} s; frozen for {FREEZE:g} s in the middle")
    print_table(COLUMNS, rows)
    for row in rows:
        print(f"  {row['load']}, from {row['clock']}: {row['says']}")
    off = [row for row in rows if row["clock"] == "due" and max(abs(row["p95_off"]), abs(row["p99_off"])) > ALLOWED]
    print(
        "; ".join(f"{row['load']}: p95 {row['p95_off']:+.1%}, p99 {row['p99_off']:+.1%}" for row in off)
        or "all as computed"
    )
    write_result("omission", {"rate": RATE, "seconds": seconds, "freeze_s": FREEZE, "cap": CAP, "rows": rows})
    return 1 if off else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
