"""What a level publishes against what is true of the emulator that it measured, one case for each kind of conclusion.

    python benchmarks/against_truth.py [CASE...]

The emulator's service times are exponential or constant, so the truth is known without the load generator: by
arithmetic, by its ledger, or by an exact simulation of the same queue (`queues.py`). Each row is one published figure:
published, true, the deviation and, where an interval is published, whether it holds the truth. A row is wrong where an
interval does not hold, a figure without one is off by more than its case allows, or a text is not the true one. Prints
the table with the verdicts, writes `benchmarks/results/against_truth.json`, and exits with 1 if a row is wrong; one
interval in twenty may miss by chance. Needs an idle machine. `search.py` has more searches, `overload.py` more clients.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from output import print_table, write_result
from overload import Burners
from queues import Queue, open_loop
from search import SLOTS as SEARCH_SLOTS
from search import cases as search_cases
from search import search
from single_level import Measured, measure, truth

from fmbench_lib.emulator import Behaviour, Constant, Emulator, Exponential, Fault, FaultRule, launch

SERVICE, SLOTS = 0.1, 16
QUEUE = Behaviour(ttft=Exponential(SERVICE), tokens=Constant(1), slots=SLOTS)
"""An M/M/16 queue: answers of one token, whose service is their prefill."""
TWO_SECONDS = Behaviour(ttft=Constant(1.0), itl=Constant(0.1), tokens=Constant(11))
TWO_SECONDS_IN_SLOTS = Behaviour(ttft=Constant(1.0), itl=Constant(0.1), tokens=Constant(11), slots=32)
BURST = Behaviour(ttft=Exponential(SERVICE), itl=Constant(0.01), tokens=Constant(11), slots=SLOTS)
CHAT = Behaviour(ttft=Constant(0.1), itl=Constant(0.01), tokens=Constant(20))
STALLED_S = 10.0
STALLING = Behaviour(ttft=Constant(0.05), itl=Constant(0.005), tokens=Constant(11), stall_at=5.0, stall_for=STALLED_S)
ONE_LATE = Behaviour(
    ttft=Constant(0.05),
    itl=Constant(0.005),
    tokens=Constant(11),
    tail_delay=0.001,  # the ledger has one time for what is written at once, and what follows the content is no latency
    faults=(FaultRule(Fault("drip", seconds=0.005), numbers=(200,)),),
)
PROMPTS = [f"What is item {number}?" for number in range(400)]
COLUMNS = (
    ("case", "case"),
    ("figure", "figure"),
    ("published", "published"),
    ("true", "true"),
    ("deviation", "deviation"),
    ("interval", "interval"),
    ("within", "within"),
    ("right", "right"),
    ("verdict", "verdict"),
)

Figure: TypeAlias = float | str
True_: TypeAlias = Callable[[Measured, Emulator], Figure]


@dataclass(frozen=True, slots=True)
class Claim:
    """One figure that a level publishes: what is true, and by what share it may be off, or which texts are right."""

    figure: str
    true: True_
    allowed: float = 0.02
    not_this: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A level, and what it claims."""

    name: str
    behaviour: Behaviour
    load: Mapping[str, Any]
    claims: tuple[Claim, ...]
    burnt: bool = False


def constant(value: Figure) -> True_:
    """A truth that follows from the emulator's behaviour alone."""
    return lambda _measured, _emulator: value


def simulated(load: float, q: float) -> True_:
    """The quantile of latency of the emulator's queue at a share of its capacity, s."""

    def of(_measured: Measured, _emulator: Emulator) -> float:
        served = open_loop(Queue(SLOTS, load, exact=True), 200, 5000, 7)
        return SERVICE * float(np.quantile(served.latency, q))

    return of


def by_ledger(q: float, *, second_half: bool = False) -> True_:
    """A quantile of TTFT as the emulator saw it, s: of the measured requests, or of the later half of all."""

    def of(measured: Measured, emulator: Emulator) -> float:
        entries = truth(emulator)
        ids = [name for name in measured.requests["request_id"] if name in entries]
        chosen = [entries[name] for name in ids[len(ids) // 2 :] if second_half] or [entries[name] for name in ids]
        return float(np.quantile([entry.ttft for entry in chosen if entry.ttft is not None], q))

    return of


def completed(measured: Measured, emulator: Emulator) -> float:
    """Answers per second that the emulator completed between the edges of the window, by its ledger."""
    row = measured.row
    ends = [entry.end_ns / 1e9 for entry in truth(emulator).values() if entry.outcome == "complete"]
    inside = sum(row["window_start"] <= end <= row["window_end"] for end in ends)
    return inside / float(row["window_s"])


def slowest(_measured: Measured, emulator: Emulator) -> float:
    """The longest latency, s."""
    return max(entry.latency or 0.0 for entry in truth(emulator).values())


def _rate(share: float, seconds: float) -> dict[str, Any]:
    rate = share * SLOTS / SERVICE
    return {"request_rate": rate, "arrival": "poisson", "duration": seconds, "warmup": round(2 * rate)}


NOT_ACCUSED = Claim("sustainable", constant("yes"), not_this="no")
LOOP = {"duration": 10.0, "warmup": 8}
CASES = (
    Case("constant 2 s at 30/s for 10 s", TWO_SECONDS, {"request_rate": 30.0, "duration": 10.0, "warmup": 90},
         (Claim("transactions_per_second", constant(30.0), 0.01), NOT_ACCUSED)),
    Case("constant 2 s, 32 in flight, 10 s", TWO_SECONDS_IN_SLOTS, {"concurrency": 32, **LOOP},
         (Claim("transactions_per_second", constant(16.0), 0.01), Claim("mean_in_flight", constant(32.0), 0.01))),
    Case("8 warm-up requests, 64 in flight", BURST, {"concurrency": 64, "duration": 20.0, "warmup": 8},
         (Claim("TTFT_p50", by_ledger(0.5, second_half=True), 0.1),
          Claim("TTFT_p95", by_ledger(0.95, second_half=True), 0.1))),
    Case("50% of 16 slots", QUEUE, _rate(0.5, 30), (Claim("latency_p95", simulated(0.5, 0.95), 0.1),)),
    Case("80% of 16 slots", QUEUE, _rate(0.8, 30), (Claim("latency_p95", simulated(0.8, 0.95), 0.25),)),
    Case("90% of 16 slots", QUEUE, _rate(0.9, 30), (Claim("latency_p95", simulated(0.9, 0.95), 0.5),)),
    Case("Poisson 2/s", CHAT, {"request_rate": 2.0, "arrival": "poisson", "duration": 30.0, "warmup": 4},
         (Claim("offered_rate", constant(2.0), 1e-9), Claim("sent_rate", constant(2.0), 0.04))),
    Case("Poisson 36.2/s", CHAT, {"request_rate": 36.2, "arrival": "poisson", "duration": 15.0, "warmup": 30},
         (Claim("offered_rate", constant(36.2), 1e-2), Claim("transactions_per_second", constant(36.2), 0.02))),
    Case("95% of 16 slots", QUEUE, _rate(0.95, 30), (NOT_ACCUSED,)),
    Case("110% of 16 slots", QUEUE, _rate(1.1, 30),
         (Claim("sustainable", constant("no")), Claim("transactions_per_second", constant(SLOTS / SERVICE), 0.1))),
    Case("server stalls for 10 s", STALLING, {"concurrency": 4, "duration": 30.0, "warmup": 4},
         (Claim("transactions_per_second", completed, 0.02), Claim("latency_max", slowest, 0.02))),
    Case("one late answer in 400", ONE_LATE, {"concurrency": 4, "duration": 12.0, "warmup": 4},
         (Claim("latency_max", slowest, 0.02),)),
    Case("busy client", CHAT, {"concurrency": 16, "duration": 15.0, "warmup": 16},
         (Claim("TTFT_p50", by_ledger(0.5), 0.1), Claim("TTFT_p95", by_ledger(0.95), 0.5)), burnt=True),
)  # fmt: skip


def rows_of(case: Case) -> Iterator[dict[str, Any]]:
    """Measure a case and compare what it claims."""
    burners = Burners(float(case.load["duration"]) + 10)
    with launch(case.behaviour) as emulator:
        try:
            begin = burners.begin if case.burnt else lambda _: None
            measured = measure(emulator.url, PROMPTS, on_figures=begin, **case.load)
        finally:
            burners.end()
        for claim in case.claims:
            true = claim.true(measured, emulator)
            yield compared(case.name, claim, measured.row.get(claim.figure), true, measured.row)


def compared(case: str, claim: Claim, published: Any, true: Figure, row: Mapping[str, Any]) -> dict[str, Any]:
    """One row of the table; a figure that the level does not have is not judged."""
    low, high = (row.get(f"{claim.figure}_{end}") for end in ("low", "high"))
    known = low is not None and low == low and high is not None
    result: dict[str, Any] = {"case": case, "figure": claim.figure, "true": _shown(true)}
    result |= {"published": "" if published is None else _shown(published), "verdict": row.get("verdict", "")}
    result |= {"interval": f"{low:.4g} to {high:.4g}" if known else "", "deviation": "", "within": ""}
    if published is None:
        return result | {"right": "no such column"}
    if isinstance(true, str):
        right = published != claim.not_this if claim.not_this else published == true
        return result | {"right": "yes" if right else "NO"}
    deviation = float(published) / true - 1 if true else float("inf")
    within = low <= true <= high if known else None
    right = within if within is not None else abs(deviation) <= claim.allowed
    said = {None: "", True: "yes", False: "NO"}[within]
    return result | {"deviation": f"{deviation:+.2%}", "within": said, "right": "yes" if right else "NO"}


def _shown(value: Figure) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def found() -> dict[str, Any]:
    """The search for the greatest concurrency against a server with slots."""
    case = search_cases(6.0)[1]
    with tempfile.TemporaryDirectory() as folder:
        result = search(case, Path(folder))
    row = {"found_low": result["low"], "found_high": result["high"]}
    claim = Claim("found", constant(float(SEARCH_SLOTS)), 0.05)
    return compared("search, 8 slots", claim, result["found"], float(SEARCH_SLOTS), row)


def main(argv: Sequence[str]) -> int:
    """Run the cases whose name holds one of the words, or all."""
    rows = []
    for case in CASES:
        if not argv or any(word in case.name for word in argv):
            print(f"{case.name} …", flush=True)
            rows += rows_of(case)
    if not argv or "search" in argv:
        rows.append(found())
    print_table(COLUMNS, rows)
    wrong = [f"{row['case']}: {row['figure']}" for row in rows if row["right"] == "NO"]
    print(f"wrong: {'; '.join(wrong)}" if wrong else "all as they are")
    write_result("against_truth", {"rows": rows, "wrong": wrong})
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
