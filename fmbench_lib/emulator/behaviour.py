"""What an emulated endpoint does with a request. Pure and seeded, without sockets or clock.

`Behaviour` is what the user sets. `Planner.plan` turns it and one request into a `Plan`: always the same plan for the
same seed and request id, whatever else is being served.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from fmbench_lib.emulator.distributions import Constant, Distribution
from fmbench_lib.emulator.faults import Fault, FaultRule
from fmbench_lib.errors import InputError

_NS = 1_000_000_000
_ECHO = re.compile(r"\[\[echo:([^\]]*)\]\]")
_ECHO_LENGTH = 40
_CACHE_ENTRIES = 100_000

_TTFT = Constant(0.05)
_ITL = Constant(0.01)
_TOKENS = Constant(100)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an endpoint behaves; times in seconds.

    With `slots` set, only so many requests are served at once, and the others wait in order of arrival. TTFT counts
    from getting a slot. `itl_per_sequence` is added to every ITL for each other request being served.
    """

    ttft: Distribution = _TTFT
    itl: Distribution = _ITL
    tokens: Distribution = _TOKENS
    """Length of an answer; a request's `max_tokens` truncates it."""
    tokens_from_request: bool = False
    """The answer has exactly the request's `max_tokens`, and `tokens` where it names none."""
    tokens_per_event: int = 1
    reasoning_tokens: int = 0
    """The number of reasoning tokens at the start of an answer."""
    slots: int | None = None
    prefill_per_token: float = 0.0
    """Added to the TTFT for each token of the prompt that is not cached."""
    itl_per_sequence: float = 0.0
    drift: float = 0.0
    """TTFT and ITL grow by this fraction per second since the first request."""
    stall_at: float | None = None
    """Seconds after the first request at which the whole server freezes, once, for `stall_for`."""
    stall_for: float = 0.0
    usage: Literal["asked", "always", "never"] = "asked"
    cached_share: float = 0.0
    """Fraction of each prompt's tokens that is reported as cached."""
    prompt_cache: bool = False
    """A prompt that was seen before is cached completely: reported as cached, and its prefill takes no time."""
    echo: bool = False
    """The answer starts with the prompt's `[[echo:…]]`, else with its last 40 characters."""
    head: Literal["at_once", "first_token"] = "at_once"
    """When a stream's status line is sent: as soon as the request has arrived, or with the first token."""
    tail_delay: float = 0.0
    """Time from the last content event to the end of the stream; at 0 they are one write."""
    framing: Literal["chunked", "close"] = "chunked"
    """How a stream's end is marked: by chunked coding, or by closing the connection."""
    faults: tuple[FaultRule, ...] = ()
    seed: int = 1
    model: str = "emulated"

    def __post_init__(self) -> None:
        if self.tokens_per_event < 1 or (self.slots is not None and self.slots < 1):
            raise InputError("the emulator's tokens-per-event and slots must be at least 1")
        if not 0 <= self.cached_share <= 1:
            raise InputError(f"the emulator's cached-share must be from 0 to 1, not {self.cached_share:g}")
        for name in ("reasoning_tokens", "prefill_per_token", "itl_per_sequence", "drift", "stall_for", "tail_delay"):
            if getattr(self, name) < 0:
                raise InputError(f"the emulator's {name.replace('_', '-')} must not be negative")


@dataclass(frozen=True, slots=True)
class Task:
    """What a request asks for, in any protocol; `variant` is specific to the protocol."""

    prompt: str
    prompt_tokens: int
    stream: bool
    max_tokens: int | None
    model: str
    include_usage: bool
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one request will get. `next_itl_ns` returns the ITLs, before the additions for other requests."""

    request_id: str
    salt: int
    ttft_ns: int
    next_itl_ns: Callable[[], int]
    factor: float
    """The factor by which drift has stretched its times; the times in the plan include it."""
    tokens: int
    reasoning_tokens: int
    tokens_per_event: int
    cached_tokens: int
    finish_reason: Literal["stop", "length"]
    usage: bool
    echo: str | None
    fault: Fault | None

    @property
    def reasoning_events(self) -> int:
        """The number of events before the first event of the answer proper."""
        return -(-self.reasoning_tokens // self.tokens_per_event)

    @property
    def events(self) -> int:
        """The number of content events of a stream, reasoning included."""
        return self.reasoning_events + -(-(self.tokens - self.reasoning_tokens) // self.tokens_per_event)


class Planner:
    """Plans answers for one behaviour. Its only state is which prompts it has seen."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._seen: dict[bytes, None] = {}

    def plan(
        self, task: Task, request_id: str, number: int, elapsed: float, fault: Fault | None = None, under_way: int = 0
    ) -> Plan:
        """The plan for the request with this number (from 1), `elapsed` seconds after the first one.

        `fault` is the fault that the request itself asks for; without one, the first rule that selects the request
        applies, `under_way` being the other requests that are served or wait.
        """
        behaviour = self._behaviour
        digest = blake2b(f"{behaviour.seed}/{request_id}".encode(), digest_size=8).digest()
        salt = int.from_bytes(digest)
        rng = random.Random(salt) if _is_random(behaviour) else _UNUSED
        factor = 1 + behaviour.drift * elapsed
        tokens, finish_reason = self._length(task, rng)
        cached = self._cached_tokens(task)
        ttft = behaviour.ttft.draw(rng) + behaviour.prefill_per_token * (task.prompt_tokens - cached)
        if fault is None:
            rules = (rule for rule in behaviour.faults if rule.selects(behaviour.seed, request_id, number, under_way))
            fault = next((rule.fault for rule in rules), None)
        return Plan(
            request_id=request_id,
            salt=salt,
            ttft_ns=round(ttft * factor * _NS),
            next_itl_ns=_itl_source(behaviour.itl, rng, factor * _NS),
            factor=factor,
            tokens=tokens,
            reasoning_tokens=min(behaviour.reasoning_tokens, tokens),
            tokens_per_event=behaviour.tokens_per_event,
            cached_tokens=cached,
            finish_reason=finish_reason,
            usage=behaviour.usage == "always"
            or (behaviour.usage == "asked" and (task.include_usage or not task.stream)),
            echo=_echo(task.prompt) if behaviour.echo else None,
            fault=fault,
        )

    def _length(self, task: Task, rng: random.Random) -> tuple[int, Literal["stop", "length"]]:
        behaviour = self._behaviour
        if task.max_tokens is not None and behaviour.tokens_from_request:
            return task.max_tokens, "length"
        tokens = max(1, round(behaviour.tokens.draw(rng)))
        if task.max_tokens is not None and tokens >= task.max_tokens:
            return task.max_tokens, "length"
        return tokens, "stop"

    def _cached_tokens(self, task: Task) -> int:
        cached = int(self._behaviour.cached_share * task.prompt_tokens)
        if not self._behaviour.prompt_cache:
            return cached
        key = blake2b(task.prompt.encode(), digest_size=8).digest()
        seen = key in self._seen
        self._seen[key] = None
        if len(self._seen) > _CACHE_ENTRIES:
            del self._seen[next(iter(self._seen))]
        return task.prompt_tokens if seen else cached


# Never drawn from: constants ignore their generator, and creating one costs as much as sending an event.
_UNUSED = random.Random(0)


def _is_random(behaviour: Behaviour) -> bool:
    return not all(isinstance(drawn, Constant) for drawn in (behaviour.ttft, behaviour.itl, behaviour.tokens))


def _itl_source(itl: Distribution, rng: random.Random, factor: float) -> Callable[[], int]:
    if isinstance(itl, Constant):
        constant = round(itl.mean * factor)
        return lambda: constant
    return lambda: round(itl.draw(rng) * factor)


def _echo(prompt: str) -> str:
    match = _ECHO.search(prompt)
    return match[1] if match else prompt[-_ECHO_LENGTH:]
