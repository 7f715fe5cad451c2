"""Every way to die: what a run says last, its exit code, what it leaves behind, and what `--resume` makes of it.

    python benchmarks/deaths.py [WORDS]

Runs a benchmark of a local server of known latency (`tests/e2e/stand_in`) once for each way to die: signals, a closed
output, a full disk at each step (a small tmpfs: as root, else left out), the run's directory removed, processes killed
at 40 random instants, limits of memory. `left` counts the processes that are still there when the command has ended.
A level that the death has made invalid stays so until it is measured again on request: where the resumption ends with
1, `again` is the exit code of the last of the `--remeasure` commands that it names. `right` is whether every level then
has its records, each request once, with the server's own latency. WORDS selects the cases that contain one of them.
Prints a table, writes `benchmarks/results/deaths.json`, and fails where a process is left, a command hangs or prints a
traceback, a figure is wrong, or neither the resumption nor what it names ends with 0.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence

from acts import STEPS, filled, in_step, killed, memory, removed, signals, stopped
from output import print_table, write_result
from played_run import Case, Running, played

INSTANTS = 40
COLUMNS = (
    ("case", "case"), ("code", "exit code"), ("seconds", "s"), ("levels", "levels"), ("left", "left"),
    ("resumed", "resumed"), ("again", "again"), ("right", "right"), ("last", "last line"),
)  # fmt: skip


def cases(whole_s: float) -> Iterator[Case]:
    """All cases; a run that is left alone takes `whole_s`."""
    yield Case("left alone")
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        yield Case(number.name, signals(number))
    for count in (1, 2, 3, 4):
        yield Case(f"{count} × SIGINT", signals(*[signal.SIGINT] * count))
    for step in STEPS[:5]:
        yield Case(f"SIGINT in {step}", signals(signal.SIGINT, when=in_step(step)))
    yield Case("SIGHUP in 2_deploy_model", signals(signal.SIGHUP, when=in_step(STEPS[2])))
    for words in (("--config-file",), ("sending.worker",), ("kernel",), ("pipeline.kernels",), ("llama_server",)):
        yield Case(f"SIGSTOP 20 s {words[0].strip('-')}", stopped(*words, seconds=20.0))
    yield Case("| head -5", shell="{command} 2>err | head -5; cat err; exit ${{PIPESTATUS[0]}}")
    yield Case("2>&1 | head -5", shell="{command} 2>&1 | head -5; exit ${{PIPESTATUS[0]}}")
    yield Case("> /dev/full", shell="{command} >/dev/full")
    for step in STEPS:
        yield Case(f"disk full in {step}", filled(step), small_disk=True)
    yield Case("folder removed", removed(Running.measuring), keep_run=False)
    yield Case("folder removed in 2_deploy_model", removed(in_step(STEPS[2])), keep_run=False)
    for size in (400_000, 700_000, 900_000, 950_000, 1_000_000, 1_100_000):
        yield Case(f"ulimit -v {size}", limit=memory(size))
    chance = random.Random(18)
    for number in range(INSTANTS):
        word = ("pipeline.kernels", "kernel", "sending.worker", "sampler_program", "llama_server")[number % 5]
        after_s = chance.uniform(0.1, whole_s)
        yield Case(f"{word} killed after {after_s:.1f} s", killed(word, after_s))


def main(words: Sequence[str]) -> int:
    """Play the cases, print and write the table; 1 where one is not as it should be."""
    alone = played(Case("left alone"))
    rows = []
    for case in cases(alone["seconds"]):
        if words and not any(word in case.name for word in words):
            continue
        if case.small_disk and (os.geteuid() != 0 or shutil.which("mount") is None):
            print(f"{case.name}: left out, only root can mount a small disk")
            continue
        rows.append(played(case))
        print_table(COLUMNS, rows[-1:])
    print()
    print_table(COLUMNS, rows)
    write_result("deaths", {"cases": rows})
    bad = [row["case"] for row in rows if not row["ok"]]
    print(f"{len(rows)} cases, {len(bad)} not as they should be" + "".join(f"\n  {name}" for name in bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
