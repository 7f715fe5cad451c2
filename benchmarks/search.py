"""The search for the greatest load, against servers whose capacity is known by other means.

    python benchmarks/search.py [SECONDS]

Each search runs as a user's would, from config to levels (of SECONDS each, default 25), against the emulator in served
mode. The true answers are computed here without any of the load generator:

- max_request_rate: Poisson arrivals, S slots, first come first served, constant service time. A discrete-event
  simulation of that queue gives the p95 of TTFT at any rate, and bisection gives the rate at which it is the limit.
- max_concurrency with slots: TTFT is constant up to S requests in flight, and longer by a wait beyond.
- max_concurrency with a batch: each ITL grows by a constant per other request being served, so latency is linear in
  the number of requests in flight.

Prints a table and writes `benchmarks/results/search.json`.
"""

from __future__ import annotations

import heapq
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from output import write_result

from fmbench_lib import steps
from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.runs.opening import create_run
from fmbench_lib.steps.run_inputs.levels import searched

MOST_LEVELS = 12
TTFT, ITL, TOKENS = 0.06, 0.005, 9
SERVICE = TTFT + (TOKENS - 1) * ITL
SLOTS = 8
SIMULATED = 400_000


@dataclass(frozen=True)
class Case:
    """A search, the server it runs against, and the true answer."""

    name: str
    find: str
    subject_to: dict[str, float]
    start: float
    behaviour: Behaviour
    truth: Callable[[], float]
    seconds: float


def p95_of_ttft(rate: float) -> float:
    """The p95 of TTFT in the queue with Poisson arrivals and a constant service time, by simulation."""
    generator = random.Random(1)
    free = [0.0] * SLOTS
    now, ttfts = 0.0, []
    for number in range(SIMULATED):
        now += generator.expovariate(rate)
        begun = max(now, heapq.heappop(free))
        heapq.heappush(free, begun + SERVICE)
        if number > SIMULATED // 20:
            ttfts.append(begun + TTFT - now)
    return sorted(ttfts)[math.ceil(0.95 * len(ttfts)) - 1]


def greatest_rate(limit: float) -> float:
    """The rate at which the p95 of TTFT is the limit."""
    low, high = 0.3 * SLOTS / SERVICE, SLOTS / SERVICE
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (middle, high) if p95_of_ttft(middle) <= limit else (low, middle)
    return (low + high) / 2


def cases(seconds: float) -> list[Case]:
    """What is looked for."""
    served = Behaviour(ttft=Constant(TTFT), itl=Constant(ITL), tokens=Constant(TOKENS), slots=SLOTS)
    batch = Behaviour(
        ttft=Constant(TTFT), itl=Constant(ITL), tokens=Constant(TOKENS), slots=64, itl_per_sequence=0.0005
    )
    wait, latency = TTFT + SERVICE, 0.195
    return [
        Case("rate, queue", "max_request_rate", {"TTFT_p95": wait, "error_rate": 0.0}, 8, served,
             lambda: greatest_rate(wait), seconds),
        Case("concurrency, slots", "max_concurrency", {"TTFT_p95": 1.5 * TTFT}, 1, served,
             lambda: float(SLOTS), min(seconds, 6)),
        Case("concurrency, batch", "max_concurrency", {"latency_p95": latency}, 1, batch,
             lambda: 1.0 + math.floor(((latency - TTFT) / (TOKENS - 1) - ITL) / 0.0005), min(seconds, 6)),
    ]  # fmt: skip


def search(case: Case, folder: Path) -> dict[str, Any]:
    """The search as a run in a folder of its own."""
    with launch(case.behaviour) as emulator:
        run = create_run(write_config(case, emulator.url, folder), results=folder / "results")
        began = time.monotonic()
        for step in (steps.set_up, steps.generate_data, steps.deploy_models, steps.run_inference):
            step(run)
        (found,) = searched(run)
    if found.ended is None:
        sys.exit(f"{case.name}: {run.workspace.failed_levels()}")
    true = case.truth()
    return {
        "case": case.name,
        "subject_to": case.subject_to,
        "true": true,
        "found": found.found,
        "confirmed": found.confirmed,
        "missed": found.missed,
        "low": found.low,
        "high": found.high,
        "off": None if found.found is None else found.found / true - 1,
        "levels": len(found.levels),
        "tried": list(found.levels),
        "ended": found.ended,
        "seconds": time.monotonic() - began,
    }


def write_config(case: Case, url: str, folder: Path) -> Path:
    """The config of a run that does nothing but this search."""
    rows = [{"input": f"What is item {n}?"} for n in range(400)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "template.txt").write_text("{input}")
    config = {
        "general": {"name": "search"},
        "s3_read_data": {"source_data_files": ["source.jsonl"], "prompt_template_file": "template.txt"},
        "datasets": {"filters": [{"max_length_in_tokens": 500, "payload_file": "all.jsonl"}]},
        "pricing": {"emulator": 1.0},
        "inference_parameters": {"max_tokens": 100},
        "load": {
            "duration": case.seconds,
            "warmup_requests": 64,
            "prompt_reuse": "allowed",
            "find": case.find,
            "subject_to": case.subject_to,
            "find_start": case.start,
            "find_levels": MOST_LEVELS,
        },
        "experiments": [
            {"name": "served", "platform": "endpoint", "ep_name": url, "model_id": "emulated", "tokenizer": "words"}
        ],
    }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 25.0
    results = []
    print(f"{'case':20} {'true':>8} {'found':>8} {'off':>7} {'90% range':>15} {'levels':>7} {'ended':>8} {'took':>6}")
    for case in cases(seconds):
        with tempfile.TemporaryDirectory() as folder:
            one = search(case, Path(folder))
        results.append(one)
        off = "-" if one["off"] is None else f"{one['off']:+.1%}"
        range_ = "-" if one["low"] is None else f"{one['low']:.3g} to {one['high']:.3g}"
        print(f"{one['case']:20} {one['true']:8.4g} {one['found'] or 0:8.4g} {off:>7} {range_:>15} {one['levels']:7} "
              f"{one['ended']:>8} {one['seconds']:5.0f}s  {' '.join(one['tried'])}", flush=True)  # fmt: skip
    write_result("search", {"seconds_per_level": seconds, "searches": results})
    safe = all(one["off"] is not None and one["off"] <= 0.05 for one in results)
    held = all(one["low"] is not None and one["low"] <= one["true"] <= one["high"] for one in results)
    print(f"none more than 5% above the true capacity in at most {MOST_LEVELS} levels: {'yes' if safe else 'NO'}")
    print(f"all within their ranges: {'yes' if held else 'NO'}")


if __name__ == "__main__":
    main()
