"""What is said of a run that something happens to, and what `--resume` then does.

    python benchmarks/endurance.py [WORDS]

A full disk at each step and one that fills up during a level (a small tmpfs: as root, else left out), the run's
directory removed in each step, the wall clock set by an hour in both directions and a suspended machine (both faked in
every process of the run), SIGSTOP for 20 s of each process, SIGHUP, SIGTERM and Ctrl-C, `fmbench stop`, `pause --now`.
Each happens to a run of two levels of 60 requests, in the middle of the second. `code` is the exit code, `kept` the
levels that it left, `right` whether after the resumption every level has each request once, with the server's own
latency. WORDS selects the cases that contain one of them. Prints a table, and below it what is said of each; writes
`benchmarks/results/endurance.json`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from acts import STEPS, filled, in_step, removed, signals, stopped
from output import print_table, write_result
from played_run import Case, Running, played

LEVELS, REQUESTS = (2, 1), 60
LONGEST_S = 240.0
FAKED_CLOCK = Path(__file__).parent / "faked_clock"
SIGSTOP_S = 20.0
LEFT_BYTES = 7 << 20  # on the small disk, when it has been filled up
MIDDLE_S = 4.0
COLUMNS = (
    ("case", "case"), ("code", "code"), ("seconds", "s"), ("levels", "kept"), ("left", "left"), ("resumed", "resumed"),
    ("again", "again"), ("right", "right"),
)  # fmt: skip


def middle(running: Running) -> None:
    """Wait for the middle of the second level."""
    running.wait_for(running.measuring)
    time.sleep(MIDDLE_S)


def sets(name: str, seconds: float) -> Callable[[Running], None]:
    """The file that a faked clock reads gets this content."""

    def act(running: Running) -> None:
        middle(running)
        (running.folder / name).write_text(str(seconds))

    return act


def fills_up(running: Running) -> None:
    """Something else fills the disk in the middle of a level, up to a rest."""
    middle(running)
    filler = running.folder / "results" / "filler"
    running.undo.append(lambda: filler.unlink(missing_ok=True))
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while os.statvfs(filler).f_bavail * os.statvfs(filler).f_frsize > LEFT_BYTES:
            file.write(bytes(65536))


def halted(*words: str) -> Callable[[Running], None]:
    """Processes that are stopped for a while in the middle of a level."""

    def act(running: Running) -> None:
        middle(running)
        stopped(*words, seconds=SIGSTOP_S)(running)

    return act


def told(*words: str) -> Callable[[Running], None]:
    """A command about the run, in the middle of a level; a paused run goes on after a while."""

    def act(running: Running) -> None:
        middle(running)
        command = [sys.executable, "-m", "fmbench_lib"]
        subprocess.run([*command, words[0], str(running.run), *words[1:]], check=True, stdout=subprocess.DEVNULL)
        if words[0] == "pause":
            time.sleep(SIGSTOP_S)
            subprocess.run([*command, "--resume", str(running.run)], check=True, stdout=subprocess.DEVNULL)

    return act


def cases() -> Iterator[Case]:
    """All cases."""
    for step in STEPS:
        yield Case(f"disk full in {step}", filled(step), small_disk=True)
    yield Case("disk fills up in a level", fills_up, small_disk=True)
    yield Case("folder removed in a level", removed(Running.measuring), keep_run=False)
    for step in STEPS:
        yield Case(f"folder removed in {step}", removed(in_step(step)), keep_run=False)
    faked = {"FAKED_WALL": "{folder}/wall", "FAKED_ASLEEP": "{folder}/asleep"}
    for name, file, seconds in (
        ("clock set forward by 1 h", "wall", 3600.0),
        ("clock set back by 1 h", "wall", -3600.0),
        ("machine suspended for 35 min", "asleep", 2100.0),
    ):
        yield Case(name, sets(file, seconds), environment=faked, path=FAKED_CLOCK)
    for words in (("--config-file",), ("sending.worker",), ("kernel",), ("pipeline.kernels",), ("llama_server",)):
        yield Case(f"SIGSTOP 20 s of {words[0].strip('-')}", halted(*words))
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        yield Case(number.name, signals(number, when=_in_the_middle()))
    yield Case("fmbench stop", told("stop"))
    yield Case("fmbench pause --now", told("pause", "--now"))


def _in_the_middle() -> Callable[[Running], bool]:
    """A condition that holds a while after the second level has begun."""
    begun: list[float] = []

    def condition(running: Running) -> bool:
        if not begun and running.measuring():
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() - begun[0] > MIDDLE_S

    return condition


def main(words: Sequence[str]) -> int:
    """Play the cases, print and write the table; 1 where one is not as it should be."""
    rows: list[dict[str, Any]] = []
    for case in cases():
        if words and not any(word in case.name for word in words):
            continue
        if case.small_disk and (os.geteuid() != 0 or not Path("/bin/mount").exists()):
            print(f"{case.name}: left out, only root can mount a small disk")
            continue
        case.levels, case.requests, case.longest_s = LEVELS, REQUESTS, LONGEST_S
        rows.append(played(case))
        print_table(COLUMNS, rows[-1:])
        print("\n".join(f"  {line}" for line in (*rows[-1]["said"], *rows[-1]["reasons"])), flush=True)
    print()
    print_table(COLUMNS, rows)
    write_result("endurance", {"cases": rows})
    bad = [row["case"] for row in rows if not row["ok"]]
    print(f"{len(rows)} cases, {len(bad)} not as they should be" + "".join(f"\n  {name}" for name in bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
