"""Whether the fleets that `fmbench size` names keep the limit when they are served: real requests to emulators.

    python benchmarks/sizing_served.py [SEEDS] [SECONDS] [AT_ONCE]

One emulator, a copy with slots and a queue, is measured in closed loops of three times SECONDS (60 if not given) by the
engine of a run. Then, SEEDS times (20 if not given), fleets at the greatest rate that they are named for, and those
with a copy fewer, are put under Poisson arrivals for SECONDS, AT_ONCE side by side (1 if not given; they are slow
enough for several to share a machine). Prints a row for each rate and writes `benchmarks/results/sizing_served.json`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from output import print_table, write_result
from single_level import Measured, measure

from fmbench_lib.emulator import Behaviour, Constant, Exponential, LogNormal, launch
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel
from fmbench_lib.metrics.sizing.fleets import Fleet, FleetSizer
from fmbench_lib.metrics.sizing.sized_copy import sized_copy
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion, TimeLimit

SLOTS = 4
COPY = Behaviour(ttft=LogNormal(0.2, 0.1), itl=Constant(0.02), tokens=Exponential(20.0), slots=SLOTS)
LOADS = (1, 2, 3, 4, 6, 8, 12)
COPIES, STEP, MOST = (1, 2, 3, 5, 8), 0.5, 100.0
"""The fleets that are served, each at the greatest rate that it is named for, in steps of requests per second."""
LIMIT = TimeLimit("latency", 0.95, 2.5)
PROMPTS = [f"prompt {number}" for number in range(4000)]


def closed_loop(load: int, seconds: float) -> ComparedLevel:
    """One copy, measured at a load."""
    with launch(COPY) as copy:
        found = measure(copy.url, PROMPTS, concurrency=load, duration=seconds, warmup=2 * load, workers=1)
    row = {"error_rate": 0.0, **found.row, "experiment_name": "copy", "payload_file": "p.jsonl", "concurrency": load}
    return ComparedLevel("served", row, {}, 1, {}, {"latency": (_latencies(found),)})


def p95_of(copies: int, rate: float, seconds: float, seed: int) -> float:
    """The p95 of a fleet under Poisson arrivals, s."""
    with contextlib.ExitStack() as stack:
        urls = [
            stack.enter_context(launch(COPY, arguments=[f"--seed={1000 * seed + number}"])).url
            for number in range(copies)
        ]
        found = measure(
            urls,
            PROMPTS,
            request_rate=rate,
            duration=seconds,
            warmup=round(3 * rate),
            arrival="poisson",
            workers=1,
            seed=seed + 1,
        )
    return float(np.quantile(_latencies(found), LIMIT.q))


def greatest(sizer: FleetSizer) -> list[Fleet]:
    """The fleets of each number of copies at the greatest rate that they are named for."""
    named: dict[int | None, Fleet] = {}
    for rate in np.arange(STEP, MOST, STEP):
        fleet = sizer.fleet(60 * float(rate))
        named[fleet.copies] = fleet
    return [named[copies] for copies in COPIES]


def rows(seeds: int, seconds: float, at_once: int) -> Iterator[dict[str, Any]]:
    """A row for each rate."""
    question = SizingQuestion((LIMIT,))
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        levels = list(pool.map(lambda load: closed_loop(load, 3 * seconds), LOADS))
    sizer = FleetSizer.of(sized_copy(levels, question), question)
    fleets = greatest(sizer)
    named = [(fleet.copies or 0, fleet.rate / 60) for fleet in fleets]
    served = [(copies - less, rate) for copies, rate in named for less in (0, 1) if copies > less]
    cases = [(copies, rate, seconds, seed) for copies, rate in served for seed in range(seeds)]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        p95s = np.array(list(pool.map(lambda case: p95_of(*case), cases))).reshape(len(served), seeds)
    found = dict(zip(served, p95s, strict=True))
    for (copies, rate), fleet in zip(named, fleets, strict=True):
        kept, fewer = found[copies, rate], found.get((copies - 1, rate))
        yield {
            "requests/s": rate,
            "copies": copies,
            "possible": fleet.possible or 0,
            "expected p95": fleet.p95.get("latency") or float("nan"),
            "p95": float(np.median(kept)),
            "kept": float(np.mean(kept <= LIMIT.limit)),
            "missed with one fewer": float("nan") if fewer is None else float(np.mean(fewer > LIMIT.limit)),
        }


def _latencies(found: Measured) -> Any:
    values = found.requests["latency"].to_numpy(dtype=np.float64)
    return values[np.isfinite(values)]


def main(argv: Sequence[str]) -> int:
    seeds, seconds = (int(argv[0]) if argv else 20), (float(argv[1]) if len(argv) > 1 else 60.0)
    found = list(rows(seeds, seconds, int(argv[2]) if len(argv) > 2 else 1))
    print_table([(key, key) for key in found[0]], found)
    write_result("sizing_served", {"rows": found, "seeds": seeds, "seconds": seconds})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
