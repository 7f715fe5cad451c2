"""A load worker that calls a user script instead of sending bytes: in a thread for each request in flight.

It follows the same plan as the other workers and speaks with the engine as they do. Its times are read from the clock
before and after each call: what the script does in between, and Python's own delays, are part of them. It ends with the
engine whatever the script is doing, and so does what the script has started.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NoReturn

from fmbench_lib.errors import WorkerError
from fmbench_lib.host.process_limits import allow_many_sockets
from fmbench_lib.load.sending.connection import monotonic_ns
from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.loop import Loop
from fmbench_lib.load.sending.poller import IN
from fmbench_lib.load.sending.script_call import LONGEST_MESSAGE, Answered, Predict, UserScript, answer_to, said
from fmbench_lib.load.sending.spool import NO_STAMP
from fmbench_lib.load.sending.targets import Target
from fmbench_lib.load.sending.worker import Worker
from fmbench_lib.load.sending.worker_protocol import Failed, WorkerPlan
from fmbench_lib.user_scripts.importing import called, load_script, most_arguments

_MOST_THREADS = 1024  # started as they are needed


class Call:
    """One call of the script: what carries an exchange here, as a connection does elsewhere."""

    def __init__(self, worker: ScriptWorker, exchange: Exchange, target: Target) -> None:
        self.exchange = exchange
        self.target = target
        self.over = False
        self.opening_ns = 0
        self._worker = worker

    def abandon(self, error: str, message: str) -> None:
        """End the exchange. A thread cannot be stopped, but its result is not waited for any more."""
        self.exchange.error, self.exchange.message = error, message
        self.exchange.end_ns = monotonic_ns()
        self.finish()

    def answered(self, what: Answered, ended_ns: int) -> None:
        """The script has returned."""
        exchange, sent_ns = self.exchange, self.exchange.sent_ns
        assert sent_ns is not None
        first_ns = ended_ns if what.first_token_s is None else sent_ns + int(what.first_token_s * 1e9)
        exchange.pieces.extend(what.pieces)
        exchange.kernel = [NO_STAMP] * len(what.pieces)
        exchange.user_ns.extend((min(first_ns, ended_ns), ended_ns)[: len(what.pieces)])
        exchange.error, exchange.message = what.error, what.message
        exchange.left -= sum(map(len, what.pieces))
        if exchange.left < 0:
            exchange.error, exchange.message = "protocol", exchange.cut()
        exchange.complete, exchange.end_ns = exchange.error != "protocol", ended_ns
        self.finish()

    def finish(self) -> None:
        """The exchange is over."""
        self.over = True
        self._worker.done(self, self.exchange)


class ScriptWorker(Worker):
    """Calls `predict` for each request of its share of a level."""

    def __init__(self, plan: WorkerPlan, loop: Loop, predict: Predict, channel: IO[str]) -> None:
        super().__init__(plan, loop, channel)
        loop.nap_ns = 0  # without the kernel's stamps a nap would be measured
        self._predict = predict
        self._threads = ThreadPoolExecutor(_MOST_THREADS)
        self._returned: deque[tuple[Call, Callable[[], Answered], int]] = deque()
        self._wake, self._waker = os.pipe()  # wakes the loop when a call has returned
        os.set_blocking(self._waker, False)
        loop.watch(self._wake, IN, self._collect)

    def dispatch(self, exchange: Exchange, target: Target) -> None:
        """Call the script for a request, in a thread of its own."""
        call = self.active[exchange] = Call(self, exchange, target)
        payload = exchange.wire.partition(b"\r\n\r\n")[2]
        self._threads.submit(self._run, call, payload)

    def _run(self, call: Call, payload: bytes) -> None:
        decoded = json.loads(payload)
        if call.over:
            return
        call.exchange.sent_ns = monotonic_ns()
        to_answer = answer_to(self._predict, decoded)
        self._returned.append((call, to_answer, monotonic_ns()))
        try:
            os.write(self._waker, b"!")
        except BlockingIOError:
            return  # the pipe is full, so the loop wakes anyway

    def _collect(self, _mask: int) -> None:
        os.read(self._wake, 1 << 16)
        while self._returned:
            call, to_answer, ended_ns = self._returned.popleft()
            if not call.over:
                call.answered(to_answer(), ended_ns)


@contextlib.contextmanager
def _named(what: str) -> Iterator[None]:
    """A block that calls the script: whatever it raises is a WorkerError that says in which call."""
    try:
        yield
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        raise WorkerError(f"{what} {type(error).__name__}: {said(error)}"[:LONGEST_MESSAGE]) from error


def prediction_of(script: UserScript) -> Predict:
    """The method `get_prediction` of the predictor that the script creates for the endpoint.

    A script whose `create_predictor` takes no inference spec gets the parameters in each payload, any other does not.
    Raises WorkerError with what the script raises.
    """
    with _named("cannot be loaded:"):
        create = load_script(script.path).create_predictor
    with _named("create_predictor() raised"):
        predictor = called(create, script.endpoint, script.inference_spec, script.experiment)
        predict: Predict = predictor.get_prediction
    if most_arguments(create) == 1:
        return predict
    return lambda payload: predict({"inputs": payload["inputs"]})


def end_with_children() -> NoReturn:
    """End this process and all that the script has started, also in sessions of their own. Does not return."""
    import psutil

    sys.stderr.flush()
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


def _end_with_engine() -> None:
    """Wait until the engine has closed its pipe, or is gone; the main thread may be in the script and not come back."""
    engine = select.poll()
    engine.register(sys.stdin.fileno(), 0)  # nothing but the pipe's end wakes it
    engine.poll()
    end_with_children()


def main(plan_path: str) -> None:
    """Work on the plan in this file, with the script's output kept out of the channel to the engine."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches the engine, which ends its workers
    threading.Thread(target=_end_with_engine, name="engine", daemon=True).start()
    allow_many_sockets()
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the script prints is not for the engine
    plan: WorkerPlan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    assert plan["script"] is not None
    offset, length = plan["script"]
    script = UserScript(**json.loads(os.pread(plan["prompts_fd"], length, offset)))
    try:
        predict = prediction_of(script)
    except WorkerError as error:
        print(json.dumps(Failed(event="failed", message=str(error))), file=channel, flush=True)
        end_with_children()
    loop = Loop()
    worker = ScriptWorker(plan, loop, predict, channel)
    worker.say({"event": "ready"})
    line = sys.stdin.readline()
    if line.startswith("go "):
        loop.watch(sys.stdin.fileno(), IN, lambda _: worker.receive())
        worker.run(int(line.split()[1]))
    end_with_children()  # calls that were abandoned may still hold their threads


if __name__ == "__main__":
    main(sys.argv[1])
