"""Protocols whose answers are JSON messages: an answer in one message, or a stream of messages.

Such a protocol defines the contents of its messages in a `MessageAnswer` and a `MessageWire`; encoding and framing are
done here.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from fmbench_lib.emulator.behaviour import Behaviour, Plan, Task
from fmbench_lib.emulator.framing import LAST_CHUNK, Request, chunk, head, whole
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.content import Content
from fmbench_lib.errors import ProtocolError

SSE = "text/event-stream; charset=utf-8"
JSON = "application/json"
JsonObject = dict[str, Any]
"""A JSON object of a protocol, whose keys are the protocol's."""
FAILED = "the emulated server failed, as requested"


def dump(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(value: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + dump(value) + b"\n\n"


def framed(data: bytes, framing: Framing) -> bytes:
    """A piece of a stream as it is sent."""
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
    """One answer's bytes, built from the protocol's messages."""

    stream_type: ClassVar[str] = SSE
    """Content type of a stream: server-sent events, or one message per line for all others."""
    whole_type: ClassVar[str] = JSON

    def __init__(self, task: Task, plan: Plan, framing: Framing) -> None:
        self.task = task
        self.plan = plan
        self._framing = framing
        self.content = Content(plan)

    def message(self, text: str, index: int, *, reasoning: bool) -> Any:
        """A content event of a stream; for protocols that stream."""
        raise NotImplementedError

    @abstractmethod
    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """The unstreamed answer."""

    def closing(self) -> Any | None:
        """The message after the last content, None for none."""
        return None

    def failure(self) -> Any:
        """An error, in a stream or as a body."""
        return {"error": FAILED}

    def head(self, content_length: int | None = None) -> bytes:
        """Headers with the stream's content type and framing."""
        return stream_head(self.stream_type, self.plan.request_id, self._framing, content_length or 0)

    def opening(self) -> bytes:
        """Nothing: these protocols begin with content."""
        return b""

    def event(self, index: int) -> bytes:
        """The content message, encoded and framed."""
        reasoning = index < self.plan.reasoning_events
        return self._frame(self.message(self.content.text(index), index, reasoning=reasoning))

    def malformed_event(self) -> bytes:
        """A message whose JSON ends too early."""
        return framed(b'data: {"text":\n\n' if self.stream_type == SSE else b'{"text":\n', self._framing)

    def error_event(self) -> bytes:
        """The failure, encoded and framed."""
        return self._frame(self.failure())

    def tail(self) -> bytes:
        """The closing message, if any, and the end marker."""
        closing = self.closing()
        return (b"" if closing is None else self._frame(closing)) + self.end()

    def end(self) -> bytes:
        """The last chunk of chunked coding; nothing in other framings."""
        return LAST_CHUNK if self._framing == "chunked" else b""

    def body(self) -> bytes:
        """The unstreamed answer, encoded."""
        return self._encoded(self.message_whole(*self.content.whole(), self.plan.tokens))

    def empty_body(self) -> bytes:
        """The unstreamed answer without text and tokens."""
        return self._encoded(self.message_whole("", "", 0))

    def error_body(self) -> bytes:
        """The failure, encoded."""
        return self._encoded(self.failure())

    def whole(self, body: bytes, length_offset: int = 0) -> bytes:
        """Headers and body, with the Content-Length off by `length_offset`."""
        headers = {"Content-Type": self.whole_type, "x-request-id": self.plan.request_id}
        return head(200, {**headers, "Content-Length": str(max(0, len(body) + length_offset))}) + body

    def _encoded(self, value: Any) -> bytes:
        return value.encode() if isinstance(value, str) and self.whole_type != JSON else dump(value)

    def _frame(self, value: Any) -> bytes:
        return framed(sse(value) if self.stream_type == SSE else dump(value) + b"\n", self._framing)


class MessageWire(ABC):
    """A protocol whose requests are JSON objects, and whose answers are built by `answer`."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    @abstractmethod
    def accepts(self, method: str, path: str) -> bool:
        """Whether this is a generation request in this protocol."""

    @abstractmethod
    def read_object(self, body: Any, request: Request) -> Task:
        """What a body asks for. May raise any error that an invalid body causes: ValueError, KeyError, TypeError,
        AttributeError."""

    @abstractmethod
    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """The answer's bytes."""

    def read(self, request: Request) -> Task:
        """The task in a request's JSON body. Raises ProtocolError where the body is invalid."""
        try:
            return self.read_object(json.loads(request.body) if request.body else {}, request)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProtocolError(f"not a request for {request.path}: {type(error).__name__}: {error}") from None

    def make_task(self, prompt: str, stream: Any, maximum: Any, variant: str = "", model: Any = None) -> Task:
        """A `Task` for a protocol that always reports token counts, if it has any."""
        if not isinstance(prompt, str):
            raise TypeError("the prompt must be text")
        return Task(
            prompt=prompt,
            prompt_tokens=len(prompt.split()),
            stream=bool(stream),
            max_tokens=None if maximum is None else max(1, int(maximum)),
            model=str(model or self.behaviour.model),
            include_usage=True,
            variant=variant,
        )

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        """An object with the message under `error`."""
        return whole(status, JSON, dump({"error": message}), headers)

    def other(self, request: Request) -> bytes | None:
        """None: these protocols have no other paths."""
        return None
