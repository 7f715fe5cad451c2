"""A load worker that calls a script of the user's own instead of sending bytes: in a thread for each request in flight.

It follows the same plan as `load.worker` and speaks with the engine as that does. Its times are those of the clock that
is read before and after each call: what the script does in between, and Python's own delays, are part of them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, cast

from fmbench_lib.host.process_limits import allow_many_sockets
from fmbench_lib.load.sending.connection import IN, Connection, monotonic_ns
from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.loop import Loop
from fmbench_lib.load.sending.script_call import Answered, Predict, answer_to
from fmbench_lib.load.sending.spool import NO_STAMP
from fmbench_lib.load.sending.targets import Target
from fmbench_lib.load.sending.worker import Worker
from fmbench_lib.user_scripts.importing import called, load_script, most_arguments

_MOST_THREADS = 1024  # started as they are needed


class Call:
    """One call of the script, in the place of the connection that another request would have."""

    open = False  # there is nothing that a later request could go on with

    def __init__(self, worker: ScriptWorker, exchange: Exchange, target: Target) -> None:
        self.exchange = exchange
        self.target = target
        self.over = False
        self.opening_ns = 0
        self._worker = worker

    def abandon(self, error: str, message: str) -> None:
        """Its time is up. A thread cannot be stopped, but what it brings is not waited for any more."""
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
        exchange.complete, exchange.end_ns = True, ended_ns
        self.finish()

    def finish(self) -> None:
        self.over = True
        self._worker.done(cast(Connection, self), self.exchange)


class ScriptWorker(Worker):
    """Calls `predict` for each request of its share of a level."""

    def __init__(self, plan: dict[str, Any], loop: Loop, predict: Predict, channel: IO[str]) -> None:
        super().__init__(plan, loop)
        loop.nap_ns = 0  # without the kernel's stamps a nap would be measured
        self._predict = predict
        self._channel = channel
        self._threads = ThreadPoolExecutor(_MOST_THREADS)
        self._returned: deque[tuple[Call, Callable[[], Answered], int]] = deque()
        self._news, self._bell = os.pipe()
        os.set_blocking(self._bell, False)
        loop.watch(self._news, IN, self._collect)

    def dispatch(self, exchange: Exchange, target: Target) -> None:
        call = Call(self, exchange, target)
        self.active[exchange] = cast(Connection, call)
        payload = exchange.wire.partition(b"\r\n\r\n")[2]
        self._threads.submit(self._run, call, payload)

    def _run(self, call: Call, payload: bytes) -> None:
        given = json.loads(payload)
        if call.over:
            return
        call.exchange.sent_ns = monotonic_ns()
        into_form = answer_to(self._predict, given)
        self._returned.append((call, into_form, monotonic_ns()))
        try:
            os.write(self._bell, b"!")
        except BlockingIOError:
            return  # it is full: the loop will wake without this one

    def _collect(self, _mask: int) -> None:
        os.read(self._news, 1 << 16)
        while self._returned:
            call, into_form, ended_ns = self._returned.popleft()
            if not call.over:
                call.answered(into_form(), ended_ns)

    def say(self, event: str, **facts: Any) -> None:  # type: ignore[override]
        """Standard output is the script's."""
        self._channel.write(json.dumps({"event": event, **facts}) + "\n")
        self._channel.flush()


def prediction_of(script: dict[str, Any]) -> Predict:
    """The script's own `get_prediction`, of the predictor that it creates for the endpoint.

    A script whose `create_predictor` takes no inference spec finds the parameters in each payload, any other does not.
    """
    create = load_script(script["path"]).create_predictor
    predictor = called(create, script["endpoint"], script["inference_spec"], script["experiment"])
    if most_arguments(create) == 1:
        return cast(Predict, predictor.get_prediction)
    return lambda payload: predictor.get_prediction({"inputs": payload["inputs"]})


def main(plan_path: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt reaches the engine, which ends us
    allow_many_sockets()
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever the script prints is not for the engine
    plan = json.loads(Path(plan_path).read_text())
    offset, length = plan["script"]
    script = json.loads(os.pread(plan["prompts_fd"], length, offset))
    predict = prediction_of(script)
    loop = Loop()
    worker = ScriptWorker(plan, loop, predict, channel)
    worker.say("ready")
    line = sys.stdin.readline()
    if line.startswith("go "):
        loop.watch(sys.stdin.fileno(), IN, lambda _: worker.hear())
        worker.run(int(line.split()[1]))
    sys.stderr.flush()
    os._exit(0)  # calls that were given up may still hold their threads


if __name__ == "__main__":
    main(sys.argv[1])
