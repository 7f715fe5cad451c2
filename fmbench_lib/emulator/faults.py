"""Faults that an emulated endpoint can inject, and the requests that they apply to.

A fault is written `KIND` or `KIND:key=value,key=value`; a rule adds `rate=`, `every=` or `numbers=` to select requests
(all requests without), and `above=` to spare those that come while few are under way. A single request asks for a fault
in its header `X-Emulate-Fault` or by `[[fault:KIND:key=value]]` in its prompt. `events` counts the events of a stream:
an answer in one piece goes wrong before its first event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, get_args

from fmbench_lib.errors import InputError

FaultKind = Literal[
    "refuse",  # the listener is closed for `seconds`; the request itself is answered
    "reset",  # the connection is reset (RST) after `bytes` of the response, or after `events`
    "stall",  # nothing more after `events` content events; not a single byte without `events`
    "rate_limit",  # 429 with `Retry-After: seconds`
    "server_error",  # an error status, `status`
    "redirect",  # 302 to another host
    "malformed",  # the content event with index `events` is not JSON (in an unstreamed answer: the body)
    "truncated",  # the connection ends in the middle of the chunk of the event with index `events`
    "content_length",  # the announced length is `bytes` more (less if negative) than what is sent
    "drip",  # one byte at a time, every `seconds`
    "empty",  # an answer without content
    "error",  # an error object inside a 200, after `events` content events
    "unannounced_close",  # the connection is closed after the answer although keep-alive was announced
    "lost_request",  # a kept-alive connection is closed when its next request arrives
]

_DEFAULTS: dict[str, dict[str, float]] = {
    "refuse": {"seconds": 1.0},
    "reset": {"bytes": 0},
    "stall": {},
    "rate_limit": {"seconds": 1.0},
    "server_error": {"status": 500},
    "redirect": {},
    "malformed": {"events": 0},
    "truncated": {"events": 0},
    "content_length": {"bytes": 10},
    "drip": {"seconds": 0.0001},
    "empty": {},
    "error": {"events": 0},
    "unannounced_close": {},
    "lost_request": {},
}
_ALLOWED: dict[str, set[str]] = {kind: set(defaults) for kind, defaults in _DEFAULTS.items()}
_ALLOWED["reset"] |= {"events"}
_ALLOWED["stall"] |= {"events"}

FAULT_HEADER = "x-emulate-fault"
_MARKER = re.compile(r"\[\[fault:([^\]]+)\]\]")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. What each value means depends on the kind, see `FaultKind`."""

    kind: FaultKind
    events: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    status: int | None = None

    def __str__(self) -> str:
        values = {name: getattr(self, name) for name in ("events", "bytes", "seconds", "status")}
        parts = ",".join(f"{name}={value!r}" for name, value in values.items() if value is not None)
        return f"{self.kind}:{parts}" if parts else self.kind


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault and the requests it applies to: a fraction of them, every n-th, or those with these numbers (from 1).

    With `above`, only those of them that come while so many are under way apply: a server that refuses under load.
    """

    fault: Fault
    rate: float | None = None
    every: int | None = None
    numbers: tuple[int, ...] = ()
    above: int | None = None

    def selects(self, seed: int, request_id: str, number: int, under_way: int = 0) -> bool:
        """Whether this request gets the fault, `under_way` being the others that are served or wait: always the same
        for the same seed, id and `under_way`, in any order."""
        if self.above is not None and under_way < self.above:
            return False
        if self.rate is not None:
            return share_of(f"{seed}/{self.fault}/{request_id}") < self.rate
        if self.every is not None:
            return number % self.every == 0
        return not self.numbers or number in self.numbers

    def __str__(self) -> str:
        parts = []
        if self.rate is not None:
            parts.append(f"rate={self.rate!r}")
        if self.every is not None:
            parts.append(f"every={self.every}")
        if self.numbers:
            parts.append("numbers=" + "+".join(map(str, self.numbers)))
        if self.above is not None:
            parts.append(f"above={self.above}")
        text = str(self.fault)
        return text + ("," if ":" in text else ":") + ",".join(parts) if parts else text


def share_of(text: str) -> float:
    """A number in [0, 1) that depends only on the text and is uniformly distributed over texts."""
    return int.from_bytes(blake2b(text.encode(), digest_size=7).digest()) / 2**56


def parse_fault(text: str) -> Fault:
    """Read `KIND` or `KIND:key=value,…`; raises InputError with what to write instead."""
    kind, values = _split(text)
    return _fault(kind, values, text)


def parse_fault_rule(text: str) -> FaultRule:
    """Read a fault that may also have `rate=`, `every=`, `numbers=1+5+9` or `above=`; raises InputError."""
    kind, values = _split(text)
    rate, every, numbers, above = (values.pop(name, None) for name in ("rate", "every", "numbers", "above"))
    try:
        rule = FaultRule(
            _fault(kind, values, text),
            None if rate is None else float(rate),
            None if every is None else int(every),
            tuple(int(number) for number in numbers.split("+")) if numbers else (),
            None if above is None else int(above),
        )
    except ValueError:
        raise InputError(f"fault {text!r}: write rate=SHARE, every=N, numbers=N+N+N or above=N") from None
    if (rule.rate is not None and not 0 <= rule.rate <= 1) or (rule.every is not None and rule.every < 1):
        raise InputError(f"fault {text!r}: rate must be from 0 to 1 and every at least 1")
    return rule


def requested_fault(headers: Mapping[str, str], prompt: str) -> Fault | None:
    """The fault that a request itself asks for, by its header or a marker in its prompt; raises InputError."""
    if FAULT_HEADER in headers:
        return parse_fault(headers[FAULT_HEADER])
    if "[[fault:" in prompt and (match := _MARKER.search(prompt)):
        return parse_fault(match[1])
    return None


def _split(text: str) -> tuple[str, dict[str, str]]:
    kind, _, rest = text.strip().partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    return kind.strip(), {name.strip(): value.strip() for name, _, value in pairs}


def _fault(kind: str, values: Mapping[str, str], text: str) -> Fault:
    if kind not in _DEFAULTS:
        raise InputError(f"fault {text!r}: unknown kind; write one of {', '.join(get_args(FaultKind))}")
    unknown = set(values) - _ALLOWED[kind]
    if unknown:
        allowed = ", ".join(sorted(_ALLOWED[kind])) or "no values"
        raise InputError(f"fault {text!r}: {kind} has no {', '.join(sorted(unknown))}; it takes {allowed}")
    merged: dict[str, str | float] = {**_DEFAULTS[kind], **values}
    if kind == "reset" and "events" in values and "bytes" not in values:
        del merged["bytes"]
    try:
        return Fault(
            kind,  # type: ignore[arg-type]  # looked up above
            events=int(merged["events"]) if "events" in merged else None,
            bytes=int(merged["bytes"]) if "bytes" in merged else None,
            seconds=float(merged["seconds"]) if "seconds" in merged else None,
            status=int(merged["status"]) if "status" in merged else None,
        )
    except ValueError:
        raise InputError(f"fault {text!r}: its values must be numbers") from None
