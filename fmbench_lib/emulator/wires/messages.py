"""Protocols whose answers are JSON messages: an answer in one message, or a stream of them.

A protocol of that kind says what its messages hold, as a `MessageAnswer` and a `MessageWire`; cutting and framing are
done here.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from fmbench_lib.emulator.behaviour import Ask, Behaviour, Plan
from fmbench_lib.emulator.framing import LAST_CHUNK, Request, chunk, head, whole
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.content import Content
from fmbench_lib.errors import ProtocolError

SSE = "text/event-stream; charset=utf-8"
JSON = "application/json"
FAILED = "the emulated server failed, as it was asked to"


def dump(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(value: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + dump(value) + b"\n\n"


def framed(data: bytes, framing: Framing) -> bytes:
    """A piece of a stream as it goes on the socket."""
    return chunk(data) if framing == "chunked" and data else data


def stream_head(content_type: str, request_id: str, framing: Framing, content_length: int = 0) -> bytes:
    """Status line and headers of a stream."""
    end = {
        "chunked": ("Transfer-Encoding", "chunked"),
        "close": ("Connection", "close"),
        "length": ("Content-Length", str(content_length)),
    }
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
    return head(200, {**headers, "x-request-id": request_id, end[framing][0]: end[framing][1]})


class MessageAnswer(ABC):
    """One answer's bytes, from what the protocol's messages hold."""

    stream_type: ClassVar[str] = SSE
    """Content type of a stream: server-sent events, or else one message a line."""
    whole_type: ClassVar[str] = JSON

    def __init__(self, ask: Ask, plan: Plan, framing: Framing) -> None:
        self.ask = ask
        self.plan = plan
        self._framing = framing
        self.content = Content(plan)

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        """A content event of a stream, where the protocol has streams."""
        raise NotImplementedError

    @abstractmethod
    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """The answer when it does not stream."""

    def closing(self) -> Any | None:
        """What a stream says behind its last content, None for nothing."""
        return None

    def failure(self) -> Any:
        """An error, in mid-stream as in a body."""
        return {"error": FAILED}

    def head(self, content_length: int | None = None) -> bytes:
        return stream_head(self.stream_type, self.plan.request_id, self._framing, content_length or 0)

    def opening(self) -> bytes:
        return b""

    def event(self, index: int) -> bytes:
        reasoning = index < self.plan.reasoning_events
        return self._frame(self.message(self.content.text(index), index, reasoning=reasoning))

    def malformed_event(self) -> bytes:
        return framed(b'data: {"text":\n\n' if self.stream_type == SSE else b'{"text":\n', self._framing)

    def error_event(self) -> bytes:
        return self._frame(self.failure())

    def tail(self) -> bytes:
        closing = self.closing()
        return (b"" if closing is None else self._frame(closing)) + self.end()

    def end(self) -> bytes:
        return LAST_CHUNK if self._framing == "chunked" else b""

    def body(self) -> bytes:
        return self._encoded(self.message_whole(*self.content.whole(), self.plan.tokens))

    def empty_body(self) -> bytes:
        return self._encoded(self.message_whole("", "", 0))

    def error_body(self) -> bytes:
        return self._encoded(self.failure())

    def whole(self, body: bytes, length_offset: int = 0) -> bytes:
        headers = {"Content-Type": self.whole_type, "x-request-id": self.plan.request_id}
        return head(200, {**headers, "Content-Length": str(max(0, len(body) + length_offset))}) + body

    def _encoded(self, value: Any) -> bytes:
        return value.encode() if isinstance(value, str) and self.whole_type != JSON else dump(value)

    def _frame(self, value: Any) -> bytes:
        return framed(sse(value) if self.stream_type == SSE else dump(value) + b"\n", self._framing)


class MessageWire(ABC):
    """A protocol whose requests are JSON objects, and whose answers are made by `answer`."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    @abstractmethod
    def accepts(self, method: str, path: str) -> bool: ...

    @abstractmethod
    def read_object(self, asked: Any, request: Request) -> Ask:
        """What is asked for; any of the errors that a wrong shape brings with it may be raised."""

    @abstractmethod
    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer: ...

    def read(self, request: Request) -> Ask:
        try:
            return self.read_object(json.loads(request.body) if request.body else {}, request)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProtocolError(f"not a request for {request.path}: {type(error).__name__}: {error}") from None

    def ask(self, prompt: str, stream: Any, maximum: Any, variant: str = "", model: Any = None) -> Ask:
        """An `Ask` of a protocol that always counts tokens, where it counts them at all."""
        if not isinstance(prompt, str):
            raise TypeError("the prompt must be text")
        return Ask(
            prompt=prompt,
            prompt_tokens=len(prompt.split()),
            stream=bool(stream),
            max_tokens=None if maximum is None else max(1, int(maximum)),
            model=str(model or self.behaviour.model),
            include_usage=True,
            variant=variant,
        )

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        return whole(status, JSON, dump({"error": message}), headers)

    def other(self, request: Request) -> bytes | None:
        return None
