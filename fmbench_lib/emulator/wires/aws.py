"""What the wires of AWS have in common: signatures, errors in AWS's form, answers as event streams."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any, ClassVar

from fmbench_lib.emulator.behaviour import Ask
from fmbench_lib.emulator.framing import Request, head, whole
from fmbench_lib.emulator.wires.aws_signature import check_signature
from fmbench_lib.emulator.wires.event_stream import CONTENT_TYPE, exception
from fmbench_lib.emulator.wires.messages import FAILED, JSON, MessageAnswer, MessageWire, dump, framed

_ENDS = {"chunked": ("Transfer-Encoding", "chunked"), "close": ("Connection", "close")}


class AwsAnswer(MessageAnswer):
    """An answer in one object, or in an event stream of the messages that a subclass frames."""

    exception_type: ClassVar[str] = "internalServerException"
    """What an error in mid-stream is called."""

    def head(self, content_length: int | None = None) -> bytes:
        name, value = _ENDS.get(self._framing, ("Content-Length", str(content_length)))
        return head(200, {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": self.plan.request_id, name: value})

    def opening(self) -> bytes:
        return framed(self.first_messages(), self._framing)

    def event(self, index: int) -> bytes:
        reasoning = index < self.plan.reasoning_events
        data = self.content_message(self.content.text(index), index, reasoning=reasoning)
        return framed(data, self._framing)

    def malformed_event(self) -> bytes:
        return framed(self.malformed_message(), self._framing)

    def error_event(self) -> bytes:
        return framed(exception(self.exception_type, dump({"message": FAILED})), self._framing)

    def tail(self) -> bytes:
        return framed(self.last_messages(), self._framing) + self.end()

    def whole(self, body: bytes, length_offset: int = 0) -> bytes:
        headers = {"Content-Type": self.whole_type, "x-amzn-RequestId": self.plan.request_id, **self.whole_headers()}
        return head(200, {**headers, "Content-Length": str(max(0, len(body) + length_offset))}) + body

    def whole_headers(self) -> dict[str, str]:
        """Headers of an answer that does not stream, beside the usual ones."""
        return {}

    def first_messages(self) -> bytes:
        """What a stream says before its first content."""
        return b""

    @abstractmethod
    def content_message(self, text: str, index: int, *, reasoning: bool) -> bytes:
        """A content event of a stream."""

    @abstractmethod
    def malformed_message(self) -> bytes:
        """One that is framed well but cannot be decoded."""

    def last_messages(self) -> bytes:
        """What a stream says behind its last content."""
        return b""


class AwsWire(MessageWire):
    """A service's calls; requests must be signed with the emulator's keys."""

    service: ClassVar[str]
    """As the signature's scope names it."""
    errors: ClassVar[dict[int, str]]
    """What the service calls the error of a status."""

    def read(self, request: Request) -> Ask:
        check_signature(request, self.service, time.time())
        return super().read(self.readable(request))

    def readable(self, request: Request) -> Request:
        """The request with a body in JSON, where it may have another."""
        return request

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        named = {"x-amzn-ErrorType": self.errors.get(status, self.errors[500]), "x-amzn-RequestId": "refused"}
        return whole(status, JSON, dump(self.error_object(status, message)), {**named, **headers})

    def error_object(self, status: int, message: str) -> Any:
        """An error's body."""
        return {"message": message}
