"""Arrivals as sent, compared with the schedule.

    python benchmarks/arrivals.py [SECONDS] [WORKERS]

Open loops at 10, 100 and 1,000 requests/s. `rate off` compares the number of requests sent in the window with the
number scheduled in it; `span off` compares the time from the first request to the last. The schedule lag is how late
the client itself sent requests; `with connecting` adds the time for opening a connection, which figures from `due`
include anyway; `gap error` is the difference between actual and scheduled time between two requests. Prints a table,
writes `benchmarks/results/arrivals.json`, and fails if a rate is off by more than 0.5% or the p99 of the schedule lag
exceeds 2 ms.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from output import print_table, write_result
from single_level import Measured, measure

from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.load.executor import Executor

RATES = (10.0, 100.0, 1000.0)
ARRIVALS = ("constant", "poisson")
RATE_ALLOWED = 0.005
LAG_ALLOWED_S = 0.002
SHORT = Behaviour(ttft=Constant(0.02), itl=Constant(0.002), tokens=Constant(5))
COLUMNS = (
    ("arrival", "arrival"),
    ("rate", "asked /s"),
    ("scheduled", "scheduled"),
    ("scheduled_rate", "scheduled /s"),
    ("achieved_rate", "achieved /s"),
    ("rate_off", "rate off"),
    ("span_off", "span off"),
    ("lag_p50_ms", "schedule lag p50 ms"),
    ("lag_p99_ms", "p99 ms"),
    ("lag_max_ms", "max ms"),
    ("with_connecting_p99_ms", "with connecting p99 ms"),
    ("connections", "connections"),
    ("gap_error_p99_ms", "gap error p99 ms"),
    ("gap_cv_scheduled", "CV scheduled"),
    ("gap_cv_sent", "CV sent"),
)


def figures(arrival: str, rate: float, level: Measured) -> dict[str, Any]:
    """One line of the table."""
    requests, facts = level.requests, level.facts
    due, sent = requests["due"].to_numpy(), np.sort(requests["sent"].to_numpy())
    start, end = facts["window_start"], facts["window_end"]
    inside = [int(((times >= start) & (times <= end)).sum()) for times in (due, sent)]
    lag = requests["schedule_lag"].to_numpy()
    gaps = [np.diff(times) for times in (due, sent)]
    return {
        "arrival": arrival,
        "rate": rate,
        "requests": len(requests),
        "errors": level.row["errors"],
        "workers": facts["workers"],
        "window_s": end - start,
        "scheduled": inside[0],
        "scheduled_rate": inside[0] / (end - start),
        "achieved_rate": inside[1] / (end - start),
        "rate_off": inside[1] / inside[0] - 1,
        "span_off": float((due[-1] - due[0]) / (sent[-1] - sent[0]) - 1),
        **{f"lag_p{q}_ms": 1000 * float(np.percentile(lag, q)) for q in (50, 95, 99)},
        "lag_max_ms": 1000 * float(lag.max()),
        "with_connecting_p99_ms": 1000 * float(np.percentile(requests["sent"] - requests["due"], 99)),
        "connections": int((~requests["reused"].astype(bool)).sum()),
        "gap_error_p99_ms": 1000 * float(np.percentile(np.abs(gaps[1] - gaps[0]), 99)),
        "gap_cv_scheduled": float(gaps[0].std() / gaps[0].mean()),
        "gap_cv_sent": float(gaps[1].std() / gaps[1].mean()),
        "client_cpu": level.row["client_cpu_max"],
    }


def wrong(row: dict[str, Any]) -> bool:
    """Whether requests were not sent as scheduled."""
    off = max(abs(row["rate_off"]), abs(row["span_off"]))
    return bool(off > RATE_ALLOWED or row["lag_p99_ms"] > 1000 * LAG_ALLOWED_S)


def levels(
    seconds: float,
    rates: Sequence[float] = RATES,
    workers: int | None = None,
    executor: Executor | None = None,
) -> list[dict[str, Any]]:
    """A row for each rate and arrival process, sent for so long by this machine or `executor`."""
    rows = []
    with launch(SHORT) as server:
        for rate, arrival in product(rates, ARRIVALS):
            prompts = [f"{arrival} {rate:g} {n}" for n in range(round(seconds * rate))]
            level = measure(server.url, prompts, request_rate=rate, arrival=arrival, workers=workers, executor=executor)
            rows.append(figures(arrival, rate, level))
    return rows


def main(argv: Sequence[str]) -> int:
    seconds = float(argv[0]) if argv else 30.0
    rows = levels(seconds, workers=int(argv[1]) if len(argv) > 1 else None)
    print_table(COLUMNS, rows)
    bad = [f"{row['arrival']} {row['rate']:g}/s" for row in rows if wrong(row)]
    print(f"not as scheduled: {', '.join(bad)}" if bad else "all as scheduled")
    write_result("arrivals", {"seconds": seconds, "levels": rows, "wrong": bad})
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
