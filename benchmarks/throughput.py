"""What the engine can carry on this machine, and what it costs: 512 streams of 100 content events.

    python benchmarks/throughput.py [RUNS]

Each run sends 4,096 requests in a closed loop to the emulator (TTFT 50 ms, ITL 10 ms, 100 tokens), which shares the
machine. `of ideal` is the rate relative to that of always-busy streams. CPU is user and system time: of the load
workers per content event in the window, of the emulator and of decoding (on all cores, after the level) per content
event overall; `client s` is the total of the load workers, including their start. `start-up` is from the call to the
first due request, including the order of sending and all processes. Prints a table, writes
`benchmarks/results/throughput.json`, and fails if the median rate is below 95% of ideal, or the median CPU of the
client exceeds 15 µs or that of decoding 25 µs per event.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
from output import print_table, write_result

from fmbench_lib.calibration.measurement import Answers, Load, ledger_of, row_of, send
from fmbench_lib.emulator import launch
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of

STREAMS, ROUNDS = 512, 8
RATE_WANTED, CLIENT_ALLOWED_US, DECODING_ALLOWED_US = 0.95, 15.0, 25.0
COLUMNS = (
    ("run", "run"),
    ("requests", "requests"),
    ("events_per_second", "events/s"),
    ("of_ideal", "of ideal"),
    ("client_us", "client µs/event"),
    ("emulator_us", "emulator µs/event"),
    ("decoding_us", "decoding µs/event"),
    ("decoding_wall_us", "decoding wall µs/event"),
    ("decoding_s", "decoding s"),
    ("client_s", "client s"),
    ("startup_s", "start-up s"),
    ("ttft_error_p99_ms", "TTFT error p99 ms"),
)


def run(number: int) -> dict[str, Any]:
    """One level, and what it took."""
    load, answers = Load(streams=STREAMS), Answers()
    with tempfile.TemporaryDirectory() as folder, launch(answers.behaviour) as server:
        emulator = psutil.Process(server.process.pid)
        before, children, called = _cpu(emulator), _ended_children(), time.time()
        sent = send(load, server, answers, ROUNDS * answers.latency, Path(folder))
        emulator_s, client_s = _cpu(emulator) - before, _ended_children() - children
        begun, used = time.monotonic(), _own() + _ended_children()
        tables = list(tables_of(Job.of(sent.recorder, sent.run), Path(folder)))
        decoding_s, decoding_cpu = time.monotonic() - begun, _own() + _ended_children() - used
        records = pa.concat_tables(tables).to_pandas()
        row = row_of(load, answers, records, sent, ledger_of(server))
    events = int(records["event_times"].map(len).sum())
    assert row["failed"] == 0, f"{row['failed']} requests failed"
    return {
        **row,
        "run": number,
        "of_ideal": f"{row['share_of_ideal']:.1%}",
        "client_us": 1e6 * row["client_cpu_per_event"],
        "emulator_us": 1e6 * emulator_s / events,
        "decoding_us": 1e6 * decoding_cpu / events,
        "decoding_wall_us": 1e6 * decoding_s / events,
        "decoding_s": decoding_s,
        "client_s": client_s,
        "startup_s": float(records["due"].min()) - called,
        "ttft_error_p99_ms": 1000 * row["TTFT_error_p99"],
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _ended_children() -> float:
    """CPU seconds of the child processes that have ended: load workers and decoders, while the emulator lives."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _own() -> float:
    return time.process_time()


def missed(medians: Mapping[str, float]) -> list[str]:
    """What is not as it should be."""
    found = {
        "rate": medians["share_of_ideal"] < RATE_WANTED,
        "client CPU": medians["client_us"] > CLIENT_ALLOWED_US,
        "decoding CPU": medians["decoding_us"] > DECODING_ALLOWED_US,
    }
    return [name for name, is_so in found.items() if is_so]


def main(argv: Sequence[str]) -> int:
    rows = [run(number + 1) for number in range(int(argv[0]) if argv else 3)]
    print_table(COLUMNS, rows)
    names = ("share_of_ideal", "client_us", "emulator_us", "decoding_us", "decoding_wall_us", "startup_s")
    medians = {name: statistics.median(row[name] for row in rows) for name in names}
    print("medians: " + ", ".join(f"{name} {value:.3g}" for name, value in medians.items()))
    bad = missed(medians)
    print(f"wrong: {', '.join(bad)}" if bad else "all within limits")
    write_result("throughput", {"streams": STREAMS, "rounds": ROUNDS, "runs": rows, "medians": medians, "wrong": bad})
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
