"""The figures of a run of very many requests, computed by several processes, each for some of the levels."""

from __future__ import annotations

import contextlib
import heapq
import os
import pickle
import subprocess
import tempfile
from collections.abc import Sequence

from fmbench_lib.host.children import start_module
from fmbench_lib.host.task_pool import TaskPool
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.reporting.figures_elsewhere import figures_elsewhere
from fmbench_lib.steps.reporting.level_figures import Measuring, RunFigures

MOST_ALONE = 200_000
"""Requests. Of fewer, a process takes longer to start than it saves."""
MOST_HERE = 2_000_000
"""Requests. Of fewer, this machine's processes take seconds, as does joining a cluster."""
_LEVEL = 2_000
"""What a level costs beside its requests, in requests: hundreds of columns, eleven times."""
_MOST_PROCESSES = 4
"""Each holds a level in memory."""

_THREADS_OF_ARRAYS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")
"""What says how many threads multiply arrays: those of several processes wait for each other in a loop, which takes as
much of the processors' time as the figures themselves."""

Groups = Sequence[Sequence[int]]


def run_figures(
    measuring: Measuring,
    losses: Losses,
    *,
    pool: bool = True,
    processes: int | None = None,
    elsewhere: TaskPool | None = None,
) -> RunFigures:
    """The figures of the levels, without those whose records cannot be read or break the figures; with `pool`, also
    what the repeats of a level that count give together. `elsewhere` computes those of very many requests."""
    groups: Groups = measuring.groups(pool=pool)
    found = RunFigures()
    if elsewhere is not None and _size(measuring) > MOST_HERE and elsewhere.has_others():
        found, groups = figures_elsewhere(measuring, groups, elsewhere)
    count = _processes(measuring) if processes is None else processes
    if count == 1 or not groups:
        found.add(measuring.figures(groups, losses))
        return found
    with contextlib.ExitStack() as stack:
        shares = _shares(measuring, groups, count)
        asked = [(share, stack.enter_context(_Process(measuring, share))) for share in shares]
        for share, process in asked:
            answer = process.answer()
            figures, lines = (measuring.figures(share, losses), []) if answer is None else answer
            found.add(figures)
            losses.lines += lines
    return found


def _size(measuring: Measuring) -> int:
    return sum(level.count + _LEVEL for level in measuring.levels)


def _processes(measuring: Measuring) -> int:
    if _size(measuring) <= MOST_ALONE:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_PROCESSES)


def _shares(measuring: Measuring, groups: Groups, count: int) -> list[list[Sequence[int]]]:
    """The groups dealt out so that each share has about as many requests, the greatest first."""
    sizes = {tuple(group): sum(measuring.levels[place].count + _LEVEL for place in group) for group in groups}
    shares: list[tuple[int, int, list[Sequence[int]]]] = [(0, number, []) for number in range(count)]
    for group, size in sorted(sizes.items(), key=lambda item: -item[1]):
        total, number, share = heapq.heappop(shares)
        share.append(group)
        heapq.heappush(shares, (total + size, number, share))
    return [share for _, _, share in sorted(shares, key=lambda each: each[1]) if share]


class _Process:
    """A process that computes a share."""

    def __init__(self, measuring: Measuring, groups: Groups) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._process = start_module(
            "fmbench_lib.steps.reporting.figures_program",
            stderr=self._errors,
            variables=dict.fromkeys(_THREADS_OF_ARRAYS, "1"),
        )
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            pickle.dump((measuring, list(groups)), self._process.stdin)
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def answer(self) -> tuple[RunFigures, list[str]] | None:
        """Its figures, and what broke down; None where the process died, for lack of memory most likely."""
        assert self._process.stdout is not None
        try:
            found: tuple[RunFigures, list[str]] = pickle.load(self._process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            return None
        return found

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *reason: object) -> None:
        with contextlib.suppress(OSError):
            self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        for pipe in (self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()
