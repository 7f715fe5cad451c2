"""The interface of protocols: what a wire format must do to be emulated.

A new wire is a module with a `Wire`, which the row of its protocol in `config.platforms` names. A wire is pure:
requests in, bytes out.
"""

from __future__ import annotations

from typing import Literal, Protocol

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request
from fmbench_lib.errors import ProtocolError

Framing = Literal["chunked", "close", "length"]
"""How a client detects the end of a stream: chunked coding, end of the connection, or a Content-Length."""


class RefusedError(ProtocolError):
    """A request that is refused with this status and these headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Answer(Protocol):
    """The bytes of one answer as they are sent. Event indices count from 0 over reasoning and text."""

    def head(self, content_length: int | None = None) -> bytes:
        """Status line and headers of a stream; `content_length` is set where the framing is `length`."""
        ...

    def opening(self) -> bytes:
        """What a stream contains before its first content."""
        ...

    def event(self, index: int) -> bytes:
        """One content event."""
        ...

    def malformed_event(self) -> bytes:
        """A content event that is framed correctly but cannot be decoded."""
        ...

    def error_event(self) -> bytes:
        """An error in the middle of a stream."""
        ...

    def tail(self) -> bytes:
        """Everything after the last content event: finish reason, usage, end marker."""
        ...

    def end(self) -> bytes:
        """Only the end marker of a stream."""
        ...

    def body(self) -> bytes:
        """The body of an unstreamed answer."""
        ...

    def empty_body(self) -> bytes:
        """The body of an unstreamed answer without content."""
        ...

    def error_body(self) -> bytes:
        """A body that reports an error, although the status is 200."""
        ...

    def whole(self, body: bytes, length_offset: int = 0) -> bytes:
        """An unstreamed answer whose Content-Length is off by `length_offset`."""
        ...


class Wire(Protocol):
    """One protocol."""

    def accepts(self, method: str, path: str) -> bool:
        """Whether this is a generation request in this protocol."""
        ...

    def read(self, request: Request) -> Task:
        """What the request asks for. Raises ProtocolError when the body is invalid in this protocol, or
        RefusedError."""
        ...

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """The answer's bytes."""
        ...

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        """A complete error response."""
        ...

    def other(self, request: Request) -> bytes | None:
        """The complete response to requests that generate nothing; None for unknown paths."""
        ...
