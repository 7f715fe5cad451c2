"""The worker processes of a level: started, told what to do, heard, and ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fmbench_lib.errors import WorkerError
from fmbench_lib.host.children import how_it_ended, start_module
from fmbench_lib.load.sending.request_signing import Keys
from fmbench_lib.load.sending.script_call import UserScript
from fmbench_lib.load.sending.worker_protocol import End, Message, WorkerPlan

_READY_SECONDS = 30.0


@dataclass(slots=True)
class WorkerProcess:
    """One worker, as far as the engine has heard of it. Counts are those of its last message."""

    number: int
    process: subprocess.Popen[bytes]
    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: Path
    spool: Path
    script: UserScript | None = None
    buffer: bytes = b""
    ready: bool = False
    sent: int = 0
    done: int = 0
    errors: int = 0
    in_flight: int = 0
    end: End | None = None

    def take(self, message: Message) -> None:
        """Note what a message says; raises WorkerError where that is why the worker cannot begin."""
        if message["event"] == "failed":
            raise WorkerError(self._place() + message["message"])
        if message["event"] == "ready":
            self.ready = True
            return
        self.sent, self.done, self.errors = message["sent"], message["done"], message["errors"]
        if message["event"] == "end":
            self.in_flight, self.end = 0, message
        else:
            self.in_flight = message["in_flight"]

    def tell(self, line: str) -> None:
        """Send a line to the worker; raises WorkerError where it is dead."""
        try:
            self.stdin.write(line.encode())
            self.stdin.flush()
        except OSError:
            raise self.death() from None

    def death(self) -> WorkerError:
        """The error of a worker that ended before its level did."""
        return WorkerError(f"{self._place()}load worker {self.number} {how_it_ended(self.process, self.stderr)}")

    def _place(self) -> str:
        return "" if self.script is None else f"{self.script.path}: "


def start_worker(plan: WorkerPlan, folder: Path, script: UserScript | None = None) -> WorkerProcess:
    """Start a worker with its plan; its files are in `folder`. `script` is the user's, if it calls one."""
    number = plan["number"]
    plan_path = folder / f"worker-{number}.json"
    plan_path.write_text(json.dumps(plan))
    errors = folder / f"worker-{number}.stderr"
    module = "worker" if plan["script"] is None else "script_worker"
    with errors.open("wb") as stderr:
        process = start_module(
            f"fmbench_lib.load.sending.{module}",
            str(plan_path),
            stderr=stderr,
            pass_fds=(plan["prompts_fd"], plan["sequence_fd"]),
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    return WorkerProcess(number, process, process.stdin, process.stdout, errors, Path(plan["spool"]), script)


def hand_out(keys: Keys, workers: Sequence[WorkerProcess]) -> None:
    """Give the workers the keys to sign with, where there are new ones."""
    line = keys.news()
    if line is not None:
        for worker in workers:
            with contextlib.suppress(OSError):  # a worker that has ended needs none
                worker.stdin.write(line)
                worker.stdin.flush()


def await_ready(workers: Sequence[WorkerProcess]) -> None:
    """Wait until all workers can begin; raises WorkerError where one dies or is silent for too long."""
    script = next((worker.script for worker in workers if worker.script is not None), None)
    silent, patience = "", _READY_SECONDS
    if script is not None:
        patience = script.creation_timeout
        silent = f"{script.path}: create_predictor() did not return within {patience:g} s; it was ended"
    for _ in messages(workers, patience, silent):
        if all(worker.ready for worker in workers):
            return


def messages(workers: Sequence[WorkerProcess], patience: float, silent: str = "") -> Iterator[Message]:
    """What the workers say, as they say it; each `WorkerProcess` has taken it already.

    Raises WorkerError when one dies, or (with the message `silent`) when all are silent for `patience` seconds.
    """
    silent = silent or f"the load workers sent no message for {patience:g} s; the level was given up"
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            selector.register(worker.stdout, selectors.EVENT_READ, worker)
        while True:
            ready = selector.select(patience)
            if not ready:
                raise WorkerError(silent)
            for key, _ in ready:
                worker = key.data
                data = os.read(worker.stdout.fileno(), 1 << 16)
                if not data:
                    if worker.end is None:
                        raise worker.death()
                    selector.unregister(worker.stdout)
                    continue
                *lines, worker.buffer = (worker.buffer + data).split(b"\n")
                for line in lines:
                    message: Message = json.loads(line)
                    worker.take(message)
                    yield message


def end_workers(workers: Sequence[WorkerProcess], patience: float = 0.0) -> None:
    """Wait for those that have said that they are done, and for those that end what a script has started; kill the
    others, after `patience` seconds for what they have in flight."""
    for worker in workers:
        with contextlib.suppress(OSError):  # what could not be sent to a dead worker is still in the buffer
            worker.stdin.close()
        try:
            ends = worker.end is not None or worker.script
            worker.process.wait(timeout=max(2.0, patience) if ends else patience)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):  # what a script has started
            os.killpg(worker.process.pid, signal.SIGKILL)
        worker.stdout.close()
