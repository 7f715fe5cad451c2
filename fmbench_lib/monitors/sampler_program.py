"""The monitor: a process that samples until its standard input ends, which happens when its parent dies.

`python -m fmbench_lib.monitors.sampler_program` reads its plan as one line of JSON, prints `ready` once each source was
read, and answers a line `mark` with `marked` once each was read again. Every source has a thread, so that one which
hangs does not delay the others. The process runs at low priority and reports its own CPU time among the samples.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from fmbench_lib.monitors.cpu_use import CpuUse
from fmbench_lib.monitors.machine_load import Host, Processes
from fmbench_lib.monitors.neuron_devices import Neuron
from fmbench_lib.monitors.nvidia import Nvidia
from fmbench_lib.monitors.prometheus import Page
from fmbench_lib.monitors.rapl import Rapl
from fmbench_lib.monitors.samples import SampleWriter
from fmbench_lib.monitors.sampling_plan import MonitorPlan, SamplingPlan
from fmbench_lib.monitors.source import Source, SourceUnavailableError

_NICENESS = 10
_MARK_PATIENCE_S = 0.5
_SLOW_S = 5.0
_LONGEST_PAUSE_S = 30.0


def sources_of(plan: SamplingPlan) -> list[Source]:
    """The sources of a plan; with `auto` a missing source is not noted, with `yes` it is."""
    itself = [{"pid": os.getpid(), "labels": {}}]
    sources: list[Source] = [Processes("monitor", itself)]
    if plan["machine"] is not None:
        sources.append(Host(plan["machine"]))
        sources.append(CpuUse(plan["machine"], plan["client"], plan["processes"], plan["ports"]))
    energy = plan.get("energy", "no")
    owner = {"machine": "endpoint", "server": "here" if plan.get("server_here") else "perhaps here"}
    if energy != "no":
        sources.append(Rapl(owner, requested=energy == "yes"))
    if plan["processes"]:
        sources.append(Processes("server", plan["processes"]))
    if plan["nvidia"] != "no":
        metered = owner if energy != "no" else None
        requested = plan["nvidia"] == "yes"
        sources.append(Nvidia(requested=requested, indices=plan["nvidia_devices"], machine=metered))
    if plan["neuron"] != "no":
        requested, devices = plan["neuron"] == "yes", plan["neuron_devices"]
        sources.append(Neuron(plan["interval"], requested=requested, devices=devices))
    for page in plan["pages"]:
        labels = {"copy": str(page["copy"])}
        sources.append(Page(page["url"], labels, requested=page["requested"], ca_file=plan["ca_file"]))
    return sources


class _Watcher:
    """A source and the thread that reads it."""

    def __init__(self, source: Source, interval: float, writer: SampleWriter, ended: threading.Event) -> None:
        self.source, self._interval, self._writer, self._ended = source, interval, writer, ended
        self._wake = threading.Condition()
        self._marks = 0
        self._marks_done = 0
        self.busy_since: float | None = None
        self.failing = ""
        self.gone = False
        self.noted_slow = False
        self.thread = threading.Thread(target=self._run, daemon=True, name=source.name)

    def mark(self) -> int:
        """Have the source read at once; returns the number for `wait_for`."""
        with self._wake:
            self._marks += 1
            self._wake.notify_all()
            return self._marks

    def wait_for(self, number: int, deadline: float) -> None:
        """Wait until the source was read, but not if it fails, hangs or is not paced."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._marks_done >= number or not self._is_prompt(),
                max(deadline - time.monotonic(), 0.0),
            )

    def _is_prompt(self) -> bool:
        """Whether the source is worth waiting for."""
        return self.source.paced and not (self.gone or self.failing or self.noted_slow)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set() and not self.gone:
            seen = self._marks
            pause = self._read()
            now = time.monotonic()
            if pause:
                due = now + pause
            elif now >= due:
                due = max(due + self._interval, now)
            with self._wake:
                self._marks_done = seen
                self._wake.notify_all()
                while (self.source.paced or pause) and not self._is_due(due, seen):
                    self._wake.wait(max(due - time.monotonic(), 0.0))
        with self._wake:
            self._wake.notify_all()

    def _is_due(self, due: float, seen: int) -> bool:
        marked = self._marks > seen and not self.failing
        return marked or self.gone or self._ended.is_set() or time.monotonic() >= due

    def _read(self) -> float:
        """Read once; returns how many seconds to pause after a failure, else 0."""
        self.busy_since = time.monotonic()
        try:
            readings = self.source.read()
            now = time.time(), time.monotonic()
        except SourceUnavailableError as missing:
            self.gone = True
            if not missing.expected:
                self.note(str(missing))
            return 0.0
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a source affects that source alone
            message = str(error) or type(error).__name__
            if message != self.failing:
                self.note(message)
            self.failing = message
            return min(max(5 * self._interval, 1.0), _LONGEST_PAUSE_S)
        finally:
            self.busy_since = None
        if self.failing or self.noted_slow:
            self.note("answers again")
        self.failing, self.noted_slow = "", False
        self._writer.write(*now, readings)
        return 0.0

    def note(self, text: str) -> None:
        """Write a remark of the source among the samples."""
        self._writer.note(time.time(), self.source.name, text)

    def check(self, patience: float) -> None:
        """Note once that a read has been hanging for more than `patience` seconds."""
        since = self.busy_since
        if since is not None and self.source.paced and not self.noted_slow:
            busy = time.monotonic() - since
            if busy > patience:
                self.noted_slow = True
                self.note(f"has not answered for {busy:.1f} s")


def watch(plan: MonitorPlan) -> None:
    """Sample as planned until standard input ends."""
    ended = threading.Event()
    path = Path(plan["file"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        writer = SampleWriter(file)
        watchers = [_Watcher(source, plan["interval"], writer, ended) for source in sources_of(plan)]
        for watcher in watchers:
            watcher.thread.start()
        _mark(watchers, "ready")
        _serve_commands(watchers)
        ended.set()
        for watcher in watchers:
            watcher.check(min(_SLOW_S, plan["interval"]))
            watcher.mark()
        for watcher in watchers:
            watcher.thread.join(0.1)
            if not watcher.source.paced or not watcher.thread.is_alive():
                watcher.source.close()
        os._exit(0)  # a thread that hangs is not waited for; every line has been written out


def _serve_commands(watchers: Sequence[_Watcher]) -> None:
    """Answer the lines on standard input, and check the sources in between."""
    number = sys.stdin.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(number, selectors.EVENT_READ)
        while True:
            if not selector.select(0.5):
                for watcher in watchers:
                    watcher.check(_SLOW_S)
                continue
            data = os.read(number, 4096)
            if not data:
                return
            for _ in range(data.count(b"\n")):
                _mark(watchers, "marked")


def _mark(watchers: Sequence[_Watcher], answer: str) -> None:
    deadline = time.monotonic() + _MARK_PATIENCE_S
    for watcher, number in [(watcher, watcher.mark()) for watcher in watchers if not watcher.gone]:
        watcher.wait_for(number, deadline)
    print(answer, flush=True)


def main() -> None:
    """Read the plan from standard input, and sample until that ends."""
    line = b""
    while not line.endswith(b"\n"):  # byte by byte: what follows is read from the descriptor
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte:
            return
        line += byte
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    watch(json.loads(line))


if __name__ == "__main__":
    main()
