"""The seam for protocols: what a wire format must do to be emulated.

A new wire is a module with a `Wire`, which the row of its protocol in `config.platforms` names. A wire is pure:
requests in, bytes out.
"""

from __future__ import annotations

from typing import Literal, Protocol

from fmbench_lib.emulator.behaviour import Ask, Plan
from fmbench_lib.emulator.framing import Request
from fmbench_lib.errors import ProtocolError

Framing = Literal["chunked", "close", "length"]
"""How a client can see where a stream ends: chunked coding, end of the connection, or a Content-Length."""


class RefusedError(ProtocolError):
    """A request that is refused, by a status of its own and with these headers."""

    def __init__(self, status: int, message: str, headers: dict[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Answer(Protocol):
    """The bytes of one answer as they go on the socket; event indices count from 0 over reasoning and text."""

    def head(self, content_length: int | None = None) -> bytes:
        """Status line and headers of a stream; a length is given where the framing is `length`."""
        ...

    def opening(self) -> bytes:
        """What a stream says before its first content."""
        ...

    def event(self, index: int) -> bytes:
        """One content event."""
        ...

    def malformed_event(self) -> bytes:
        """A content event that is framed well but cannot be decoded."""
        ...

    def error_event(self) -> bytes:
        """An error in mid-stream."""
        ...

    def tail(self) -> bytes:
        """Everything after the last content event: finish reason, usage, end."""
        ...

    def end(self) -> bytes:
        """The end of a stream alone."""
        ...

    def body(self) -> bytes:
        """The body of the answer when it does not stream."""
        ...

    def empty_body(self) -> bytes:
        """The same, without content."""
        ...

    def error_body(self) -> bytes:
        """A body that says that something went wrong, although the status is 200."""
        ...

    def whole(self, body: bytes, length_offset: int = 0) -> bytes:
        """An answer that does not stream, whose Content-Length is wrong by `length_offset`."""
        ...


class Wire(Protocol):
    """One protocol."""

    def accepts(self, method: str, path: str) -> bool:
        """Whether this is a request to generate, of this protocol."""
        ...

    def read(self, request: Request) -> Ask:
        """What is asked for; raises ProtocolError when the body is not the protocol's, or RefusedError."""
        ...

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        """The answer's bytes."""
        ...

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        """A complete error response."""
        ...

    def other(self, request: Request) -> bytes | None:
        """The complete response to the protocol's requests that generate nothing, None for paths it does not know."""
        ...
