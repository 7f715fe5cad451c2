"""What the AWS wires share: signatures, errors in AWS's form, answers as event streams."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any, ClassVar

from fmbench_lib.emulator.behaviour import Task
from fmbench_lib.emulator.framing import Request, head, whole
from fmbench_lib.emulator.wires.aws_signature import check_signature
from fmbench_lib.emulator.wires.event_stream import CONTENT_TYPE, exception
from fmbench_lib.emulator.wires.messages import FAILED, JSON, MessageAnswer, MessageWire, dump, framed

_ENDS = {"chunked": ("Transfer-Encoding", "chunked"), "close": ("Connection", "close")}


class AwsAnswer(MessageAnswer):
    """An answer in one object, or an event stream of the messages that a subclass provides."""

    exception_type: ClassVar[str] = "internalServerException"
    """The exception type of an error in the middle of a stream."""

    def head(self, content_length: int | None = None) -> bytes:
        """Event stream headers, with AWS's request id."""
        name, value = _ENDS.get(self._framing, ("Content-Length", str(content_length)))
        return head(200, {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": self.plan.request_id, name: value})

    def opening(self) -> bytes:
        """The messages before the first content, framed."""
        return framed(self.first_messages(), self._framing)

    def event(self, index: int) -> bytes:
        """The content message, framed."""
        reasoning = index < self.plan.reasoning_events
        data = self.content_message(self.content.text(index), index, reasoning=reasoning)
        return framed(data, self._framing)

    def malformed_event(self) -> bytes:
        """The malformed message, framed."""
        return framed(self.malformed_message(), self._framing)

    def error_event(self) -> bytes:
        """An exception message of `exception_type`."""
        return framed(exception(self.exception_type, dump({"message": FAILED})), self._framing)

    def tail(self) -> bytes:
        """The messages after the last content, and the end of the stream."""
        return framed(self.last_messages(), self._framing) + self.end()

    def whole(self, body: bytes, length_offset: int = 0) -> bytes:
        """The answer with AWS's request id and the subclass's headers."""
        headers = {"Content-Type": self.whole_type, "x-amzn-RequestId": self.plan.request_id, **self.whole_headers()}
        return head(200, {**headers, "Content-Length": str(max(0, len(body) + length_offset))}) + body

    def whole_headers(self) -> dict[str, str]:
        """Additional headers of an unstreamed answer."""
        return {}

    def first_messages(self) -> bytes:
        """The messages before the first content."""
        return b""

    @abstractmethod
    def content_message(self, text: str, index: int, *, reasoning: bool) -> bytes:
        """The message of a content event."""

    @abstractmethod
    def malformed_message(self) -> bytes:
        """A message that is framed correctly but cannot be decoded."""

    def last_messages(self) -> bytes:
        """The messages after the last content."""
        return b""


class AwsWire(MessageWire):
    """A service's calls. Requests must be signed with the emulator's keys."""

    service: ClassVar[str]
    """The service name in the signature's scope."""
    errors: ClassVar[dict[int, str]]
    """The service's error name for a status."""

    def read(self, request: Request) -> Task:
        """As in the protocol, after the signature has been checked."""
        check_signature(request, self.service, time.time())
        return super().read(self.as_json(request))

    def as_json(self, request: Request) -> Request:
        """The request with a JSON body, for services that also take other bodies."""
        return request

    def refusal(self, status: int, message: str, headers: dict[str, str]) -> bytes:
        """An error response with the error's name in AWS's header."""
        named = {"x-amzn-ErrorType": self.errors.get(status, self.errors[500]), "x-amzn-RequestId": "refused"}
        return whole(status, JSON, dump(self.error_object(status, message)), {**named, **headers})

    def error_object(self, status: int, message: str) -> Any:
        """An error's body."""
        return {"message": message}
