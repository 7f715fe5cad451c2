"""The same job done by fmbench's engine and by other tools, against the same emulator.

    python benchmarks/peers.py --peer guidellm=FOLDER --peer aiperf=FOLDER [--tuned] [--requests N] [--streams N]
        [--itl MS]

FOLDER is where the peer's programs are: `bin` of a separate virtual environment into which `pip install` put
`guidellm==0.8.1` (after `torch==2.13.0`), `aiperf==0.13.0` or `inference-perf==0.7.0`. A peer that is not given or not
there is skipped.

The job is a closed loop of 4,096 requests, 512 at a time, with responses of 100 content events, TTFT 50 ms and ITL 5
ms. The tools run one after the other, as a user would start them, each with its own emulator on the same machine.
`wall` is from the start of the command to its end, with everything that it does before and after; `load` is from the
first request that the emulator received to the end of its last response, and cannot be less than `at best`: the shorter
the ITL, the less of a tool's time is spent waiting for the server. CPU is user and system time of all processes of the
tool. `true` TTFT is what the emulator's ledger says of the same requests; for tools that name their requests, the error
per request is given too. Prints a table, writes `benchmarks/results/peers.json`, and fails if the engine is not 3 times
as fast as the fastest peer (wall), or a peer's TTFT p50 or p99 is closer to the truth.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import process_tree
from output import print_table, write_result
from peer_tools import ENGINE, ENGINE_PROGRAMS, MODEL, PEERS, Job, Reported, Tool

from fmbench_lib.emulator import Behaviour, Constant, LedgerEntry, launch
from fmbench_lib.emulator.behaviour import Planner, Task

TTFT = 0.05
FASTER_WANTED = 3.0
COLUMNS = (
    ("tool", "tool"),
    ("version", "version"),
    ("wall_s", "wall s"),
    ("load_s", "load s"),
    ("cpu_s", "CPU s"),
    ("complete", "complete"),
    ("errors", "errors"),
    ("p50_ms", "TTFT p50 ms"),
    ("p50_true_ms", "true"),
    ("p99_ms", "TTFT p99 ms"),
    ("p99_true_ms", "true"),
    ("error_p50_ms", "error p50 ms"),
    ("error_p99_ms", "error p99 ms"),
)

Row = dict[str, Any]


def true_ttfts(entries: Sequence[LedgerEntry], behaviour: Behaviour) -> dict[str, float]:
    """TTFT in ms by the request's id, and by its response's id, which some tools record instead."""
    planner = Planner(behaviour)
    task = Task(prompt="", prompt_tokens=0, stream=True, max_tokens=None, model=MODEL, include_usage=True)
    truth = {}
    for entry in entries:
        if entry.ttft is not None:
            answer = planner.plan(task, entry.request_id, entry.number, 0.0).salt
            truth[entry.request_id] = truth[f"{answer:016x}"] = 1000 * entry.ttft
    return truth


def errors_by_request(reported: Reported, truth: Mapping[str, float]) -> Row:
    """p50 and p99 of the requests' absolute TTFT errors (ms); empty cells without ids."""
    off = [abs(said - truth[name]) for name, said in reported.by_request.items() if name in truth]
    if not off:
        return {"matched": 0, "error_p50_ms": "-", "error_p99_ms": "-"}
    p50, p99 = np.percentile(off, [50, 99])
    return {"matched": len(off), "error_p50_ms": float(p50), "error_p99_ms": float(p99)}


def do(name: str, tool: Tool, programs: Path, asked: argparse.Namespace) -> Row:
    """The row of one tool: what it reported and what was true.

    Raises:
        RuntimeError: it failed, or left no result; the message has the end of its output.
    """
    behaviour = Behaviour(
        ttft=Constant(TTFT), itl=Constant(asked.itl / 1000), tokens=Constant(asked.events), model=MODEL
    )
    with tempfile.TemporaryDirectory() as scratch, launch(behaviour) as server:
        job = Job(server.base_url, asked.requests, asked.streams, asked.events, Path(scratch), asked.tuned)
        job.prepare()
        log = job.folder / "log.txt"
        cost = process_tree.run(
            tool.command(job, programs),
            environment=environment_of(tool, asked.tuned),
            folder=job.folder,
            log=log,
        )
        entries = server.ledger()
        try:
            reported = tool.read(job)
        except (OSError, LookupError, TypeError, ValueError) as error:
            said = log.read_text(errors="replace").strip().splitlines()[-1:]
            raise RuntimeError(f"exit code {cost.exit_code}, no result ({error!r}): {' '.join(said)}") from error
    complete = [entry for entry in entries if entry.outcome == "complete" and entry.events == asked.events]
    p50, p99 = np.percentile([1000 * (entry.ttft or 0.0) for entry in complete], [50, 99])
    return {
        "tool": name,
        "version": version_of(tool, programs),
        "exit_code": cost.exit_code,
        "wall_s": cost.wall_s,
        "load_s": (max(e.end_ns for e in entries) - min(e.received_ns for e in entries)) / 1e9,
        "cpu_s": cost.cpu_s,
        "received": len(entries),
        "complete": len(complete),
        "errors": reported.errors,
        "p50_ms": reported.p50_ms,
        "p50_true_ms": float(p50),
        "p99_ms": reported.p99_ms,
        "p99_true_ms": float(p99),
        **errors_by_request(reported, true_ttfts(entries, behaviour)),
        "verdict": reported.verdict,
    }


def environment_of(tool: Tool, tuned: bool) -> dict[str, str]:
    """The environment without variables that lead a peer to our packages or keep some from starting."""
    hidden = () if tool is ENGINE else ("PYTHONPATH", "VIRTUAL_ENV", "HF_HUB_OFFLINE")
    return {key: value for key, value in os.environ.items() if key not in hidden} | (dict(tool.tuning) if tuned else {})


def version_of(tool: Tool, programs: Path) -> str:
    """The version of a tool that is installed in a folder."""
    asked = f"import importlib.metadata as m; print(m.version({tool.package!r}))"
    said = subprocess.run([str(programs / "python"), "-c", asked], capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"


def judge(rows: Sequence[Row]) -> list[str]:
    """Print how the engine, the first row, compares; returns the targets that it missed."""
    engine, *peers = rows
    if not peers:
        print("no peer was measured, so there is nothing to compare with")
        return []
    missed = []
    for what, wanted in (("wall", FASTER_WANTED), ("load", 0.0)):
        fastest = min(peers, key=lambda row: row[f"{what}_s"])
        times = fastest[f"{what}_s"] / engine[f"{what}_s"]
        print(f"{what}: {times:.2f} times as fast as the fastest peer, {fastest['tool']}")
        if times < wanted:
            missed.append(f"{times:.2f} times as fast ({what}), {wanted:g} are wanted")
    for what in ("p50", "p99"):
        off = {row["tool"]: abs(row[f"{what}_ms"] - row[f"{what}_true_ms"]) for row in rows}
        print(f"TTFT {what} off by (ms): " + ", ".join(f"{name} {value:.3g}" for name, value in off.items()))
        nearest = min(off, key=lambda name: off[name])
        if nearest != engine["tool"]:
            missed.append(f"TTFT {what} of {nearest} is nearer to the truth")
    return missed


def given_peer(text: str) -> tuple[str, Path]:
    """`name=folder` as a pair."""
    name, _, folder = text.partition("=")
    if name not in PEERS or not folder:
        raise argparse.ArgumentTypeError(f"'{text}': write NAME=FOLDER with one of the names {', '.join(PEERS)}")
    return name, Path(folder).expanduser().absolute()


def chosen(given: Mapping[str, Path]) -> list[tuple[str, Tool, Path]]:
    """The tools that can be run, the engine first; prints which are skipped and why."""
    tools = [("fmbench", ENGINE, ENGINE_PROGRAMS)]
    for name, tool in PEERS.items():
        folder = given.get(name)
        if folder is None:
            print(f"{name} is skipped: give the folder of its programs as --peer {name}=FOLDER")
        elif not (folder / name).exists():
            print(f"{name} is skipped: there is no program {folder / name}")
        else:
            tools.append((name, tool, folder))
    return tools


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The same job by fmbench's engine and by other tools.")
    parser.add_argument("--peer", action="append", type=given_peer, default=[], metavar="NAME=FOLDER")
    parser.add_argument("--tuned", action="store_true", help="give peers the number of processes found best for them")
    parser.add_argument("--requests", type=int, default=4096)
    parser.add_argument("--streams", type=int, default=512)
    parser.add_argument("--events", type=int, default=100)
    parser.add_argument("--itl", type=float, default=5.0, metavar="MS", help="the emulator's ITL (default 5)")
    asked = parser.parse_args(argv)
    rows, missed = [], []
    for name, tool, programs in chosen(dict(asked.peer)):
        try:
            rows.append(do(name, tool, programs, asked))
        except RuntimeError as error:
            missed.append(f"{name}: {error}")
    at_best_s = -(-asked.requests // asked.streams) * (TTFT + (asked.events - 1) * asked.itl / 1000)
    print(
        f"{asked.requests} requests, {asked.streams} at a time, {asked.events} events each: {at_best_s:.2f} s at best"
    )
    print_table(COLUMNS, rows)
    if rows and rows[0]["tool"] == "fmbench":
        missed += judge(rows)
    print(f"missed: {'; '.join(missed)}" if missed else "all targets reached")
    job = {
        "requests": asked.requests,
        "streams": asked.streams,
        "events": asked.events,
        "at_best_s": at_best_s,
        "tuned": asked.tuned,
    }
    write_result("peers", {**job, "ttft_s": TTFT, "itl_s": asked.itl / 1000, "missed": missed, "tools": rows})
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
