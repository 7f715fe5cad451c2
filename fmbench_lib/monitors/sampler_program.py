"""The monitor: a process that samples until its standard input ends, which it does when whoever started it dies.

`python -m fmbench_lib.monitors.sampler_program` reads its plan as one line of JSON, says `ready` when each source was
read, and answers `marked` to a line `mark` when each was read again. Every source has a thread: one that hangs keeps
up no other. It runs at low priority, and reports its own CPU time among the samples.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fmbench_lib.monitors.machine_load import Host, Processes
from fmbench_lib.monitors.neuron_devices import Neuron
from fmbench_lib.monitors.nvidia import Nvidia
from fmbench_lib.monitors.prometheus import Page
from fmbench_lib.monitors.samples import SampleWriter
from fmbench_lib.monitors.source import NotThereError, Source

_NICENESS = 10
_MARK_PATIENCE_S = 0.5
_SLOW_S = 5.0
_LONGEST_PAUSE_S = 30.0


def sources_of(plan: Mapping[str, Any]) -> list[Source]:
    """What a plan asks for; `auto` is as good as yes, but says nothing where there is none."""
    itself = [{"pid": os.getpid(), "labels": {}}]
    sources: list[Source] = [Processes("monitor", itself)]
    if plan["machine"] is not None:
        sources.append(Host(plan["machine"]))
    if plan["processes"]:
        sources.append(Processes("server", plan["processes"]))
    if plan["nvidia"] != "no":
        sources.append(Nvidia(asked_for=plan["nvidia"] == "yes", indices=plan["nvidia_devices"]))
    if plan["neuron"] != "no":
        asked_for, devices = plan["neuron"] == "yes", plan["neuron_devices"]
        sources.append(Neuron(plan["interval"], asked_for=asked_for, devices=devices))
    for page in plan["pages"]:
        labels = {"copy": str(page["copy"])}
        sources.append(Page(page["url"], labels, asked_for=page["asked_for"], ca_file=plan["ca_file"]))
    return sources


class _Watcher:
    """One source and the thread that reads it."""

    def __init__(self, source: Source, interval: float, writer: SampleWriter, ended: threading.Event) -> None:
        self.source, self._interval, self._writer, self._ended = source, interval, writer, ended
        self._wake = threading.Condition()
        self._asked = 0
        self._answered = 0
        self.busy_since: float | None = None
        self.failing = ""
        self.gone = False
        self.told_slow = False
        self.thread = threading.Thread(target=self._run, daemon=True, name=source.name)

    def mark(self) -> int:
        """Have it read at once; the number to wait for."""
        with self._wake:
            self._asked += 1
            self._wake.notify_all()
            return self._asked

    def wait_for(self, number: int, deadline: float) -> None:
        """Wait until it has been read; not for one that fails, hangs or tells by itself."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._answered >= number or not self._prompt(),
                max(deadline - time.monotonic(), 0.0),
            )

    def _prompt(self) -> bool:
        """Whether it is worth waiting for."""
        return self.source.paced and not (self.gone or self.failing or self.told_slow)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set() and not self.gone:
            seen = self._asked
            pause = self._read()
            now = time.monotonic()
            if pause:
                due = now + pause
            elif now >= due:
                due = max(due + self._interval, now)
            with self._wake:
                self._answered = seen
                self._wake.notify_all()
                while (self.source.paced or pause) and not self._is_due(due, seen):
                    self._wake.wait(max(due - time.monotonic(), 0.0))
        with self._wake:
            self._wake.notify_all()

    def _is_due(self, due: float, seen: int) -> bool:
        asked = self._asked > seen and not self.failing
        return asked or self.gone or self._ended.is_set() or time.monotonic() >= due

    def _read(self) -> float:
        """Read once; how long to leave it alone where that failed."""
        self.busy_since = time.monotonic()
        try:
            readings = self.source.read()
            now = time.time(), time.monotonic()
        except NotThereError as missing:
            self.gone = True
            if not missing.expected:
                self.say(str(missing))
            return 0.0
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a source costs that source alone
            said = str(error) or type(error).__name__
            if said != self.failing:
                self.say(said)
            self.failing = said
            return min(max(5 * self._interval, 1.0), _LONGEST_PAUSE_S)
        finally:
            self.busy_since = None
        if self.failing or self.told_slow:
            self.say("answers again")
        self.failing, self.told_slow = "", False
        self._writer.write(*now, readings)
        return 0.0

    def say(self, text: str) -> None:
        self._writer.note(time.time(), self.source.name, text)

    def look(self, patience: float) -> None:
        """Say of a source that has been read for too long that it hangs."""
        since = self.busy_since
        if since is not None and self.source.paced and not self.told_slow:
            busy = time.monotonic() - since
            if busy > patience:
                self.told_slow = True
                self.say(f"has not answered for {busy:.1f} s")


def watch(plan: Mapping[str, Any]) -> None:
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
        _obey(watchers)
        ended.set()
        for watcher in watchers:
            watcher.look(min(_SLOW_S, plan["interval"]))
            watcher.mark()
        for watcher in watchers:
            watcher.thread.join(0.1)
            if not watcher.source.paced or not watcher.thread.is_alive():
                watcher.source.close()
        os._exit(0)  # a thread that hangs is not waited for; every line has been written out


def _obey(watchers: Sequence[_Watcher]) -> None:
    """Do what the lines on standard input say, and look after the sources meanwhile."""
    number = sys.stdin.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(number, selectors.EVENT_READ)
        while True:
            if not selector.select(0.5):
                for watcher in watchers:
                    watcher.look(_SLOW_S)
                continue
            told = os.read(number, 4096)
            if not told:
                return
            for _ in range(told.count(b"\n")):
                _mark(watchers, "marked")


def _mark(watchers: Sequence[_Watcher], answer: str) -> None:
    deadline = time.monotonic() + _MARK_PATIENCE_S
    for watcher, number in [(one, one.mark()) for one in watchers if not one.gone]:
        watcher.wait_for(number, deadline)
    print(answer, flush=True)


def main() -> None:
    """Read the plan and sample."""
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
