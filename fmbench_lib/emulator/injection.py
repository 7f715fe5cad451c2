"""How a fault changes an answer: one function per kind, from a scene to the script that goes wrong.

Faults of the server rather than of an answer (`refuse`, `lost_request`) are handled by the server: their answers are
healthy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from fmbench_lib.emulator.faults import Fault
from fmbench_lib.emulator.timeline import Ending, Scene, Script, Step, healthy, streamed, unstreamed
from fmbench_lib.emulator.wires.base import Answer

_NS = 1_000_000_000


def write_script(scene: Scene) -> Script:
    """The script of an answer, with the fault in its plan, if any."""
    fault = scene.plan.fault
    return _FAULTS.get(fault.kind, _healthy)(scene, fault) if fault is not None else healthy(scene)


def _healthy(scene: Scene, fault: Fault) -> Script:
    return healthy(scene)


def _reset(scene: Scene, fault: Fault) -> Script:
    script = healthy(scene)
    if fault.bytes is None:
        script.steps = islice(script.steps, _events_before(scene, fault))
    else:
        whole_opening, script.opening = script.opening, script.opening[: fault.bytes]
        script.steps = _first_bytes(script.steps, fault.bytes - len(whole_opening))
    return _ending(script, Ending.RESET, "reset")


def _first_bytes(steps: Iterator[Step], allowed: int) -> Iterator[Step]:
    for delay, data, events in steps:
        if allowed <= 0:
            return
        yield delay, data[:allowed], events if len(data) <= allowed else 0
        allowed -= len(data)


def _stall(scene: Scene, fault: Fault) -> Script:
    script = healthy(scene)
    if fault.events is None:
        script.opening = b""
    script.steps = islice(script.steps, _events_before(scene, fault))
    return _ending(script, Ending.HANG, "hung")


def _events_before(scene: Scene, fault: Fault) -> int:
    """The number of content events sent before the fault: none for an answer in one piece."""
    return (fault.events or 0) if scene.task.stream else 0


def _rate_limit(scene: Scene, fault: Fault) -> Script:
    wait = f"{fault.seconds:g}"
    return _refused(scene, 429, f"too many requests: try again in {wait} s", {"Retry-After": wait})


def _server_error(scene: Scene, fault: Fault) -> Script:
    return _refused(scene, fault.status or 500, "the emulated server failed, as requested", {})


def _redirect(scene: Scene, fault: Fault) -> Script:
    return _refused(scene, 302, "moved", {"Location": "http://moved.invalid/"})


def _refused(scene: Scene, status: int, message: str, headers: dict[str, str]) -> Script:
    return Script(status, scene.wire.refusal(status, message, headers), iter(()))


def _malformed(scene: Scene, fault: Fault) -> Script:
    answer = scene.answer()
    if scene.task.stream:
        return _spoiled(scene, answer, fault.events or 0, answer.malformed_event())
    body = answer.body()
    return unstreamed(scene, answer.whole(body[: len(body) // 2]), events=0)


def _truncated(scene: Scene, fault: Fault) -> Script:
    answer = scene.answer()
    if scene.task.stream:
        at = _existing(scene, fault.events or 0)
        event = answer.event(at)
        script = _spoiled(scene, answer, at, event[: len(event) // 2], continues=False)
    else:
        body = answer.body()
        script = unstreamed(scene, answer.whole(body)[: -(len(body) // 2)], events=0)
    return _ending(script, Ending.CLOSE, "closed")


def _error(scene: Scene, fault: Fault) -> Script:
    answer = scene.answer()
    if scene.task.stream:
        return _spoiled(scene, answer, fault.events or 0, answer.error_event() + answer.end(), continues=False)
    return unstreamed(scene, answer.whole(answer.error_body()), events=0)


def _spoiled(scene: Scene, answer: Answer, at: int, data: bytes, continues: bool = True) -> Script:
    """The stream with one event replaced by other bytes; it ends there unless it continues."""
    at = _existing(scene, at)
    beginning = answer.head() + answer.opening() if at == 0 and scene.behaviour.head == "first_token" else b""
    tail_with_it = continues and at == scene.plan.events - 1 and not scene.behaviour.tail_delay
    replacement = beginning + data + (answer.tail() if tail_with_it else b"")
    script = streamed(scene, answer, answer.head())
    script.steps = _with_step(script.steps, at, replacement, continues)
    return script


def _with_step(steps: Iterator[Step], at: int, data: bytes, continues: bool) -> Iterator[Step]:
    for index, step in enumerate(steps):
        if index != at:
            yield step
            continue
        yield step[0], data, 0
        if not continues:
            return


def _existing(scene: Scene, event: int) -> int:
    """The event's index, or that of the last event where the answer is shorter."""
    return min(event, scene.plan.events - 1)


def _content_length(scene: Scene, fault: Fault) -> Script:
    offset = fault.bytes or 0
    if scene.task.stream:
        answer = scene.answer("length")
        events = sum(len(answer.event(index)) for index in range(scene.plan.events))
        length = len(answer.opening()) + events + len(answer.tail())
        script = streamed(scene, answer, answer.head(max(0, length + offset)))
    else:
        answer = scene.answer()
        script = unstreamed(scene, answer.whole(answer.body(), offset))
    return _ending(script, Ending.CLOSE, "closed")


def _drip(scene: Scene, fault: Fault) -> Script:
    script = healthy(scene)
    opening, script.opening = script.opening, b""
    script.steps = _bytewise(opening, script.steps, round((fault.seconds or 0.0) * _NS))
    return script


def _bytewise(opening: bytes, steps: Iterator[Step], gap_ns: int) -> Iterator[Step]:
    """Every byte is a step of its own, when it is due or as soon as the bytes before it have been sent."""
    lag = 0
    for delay, data, events in steps:
        piece, opening = opening + data, b""
        wait = max(delay - lag, gap_ns)
        lag += wait - delay
        for index in range(len(piece)):
            yield wait, piece[index : index + 1], events if index == len(piece) - 1 else 0
            lag += gap_ns if index else 0
            wait = gap_ns


def _empty(scene: Scene, fault: Fault) -> Script:
    scene = replace(scene, plan=replace(scene.plan, tokens=0, reasoning_tokens=0, finish_reason="stop"))
    answer = scene.answer()
    if scene.task.stream:
        return streamed(scene, answer, answer.head())
    return unstreamed(scene, answer.whole(answer.empty_body()), events=0)


def _unannounced_close(scene: Scene, fault: Fault) -> Script:
    return _ending(healthy(scene), Ending.CLOSE, "complete")


def _ending(script: Script, ending: Ending, outcome: str) -> Script:
    script.ending, script.outcome = ending, outcome
    return script


_FAULTS: dict[str, Callable[[Scene, Fault], Script]] = {
    "reset": _reset,
    "stall": _stall,
    "rate_limit": _rate_limit,
    "server_error": _server_error,
    "redirect": _redirect,
    "malformed": _malformed,
    "truncated": _truncated,
    "error": _error,
    "content_length": _content_length,
    "drip": _drip,
    "empty": _empty,
    "unannounced_close": _unannounced_close,
}
