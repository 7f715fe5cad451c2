"""SageMaker's InvokeEndpoint and InvokeEndpointWithResponseStream, in front of an emulated container.

The endpoint's name selects the container for a request with `inputs`: `…tgi…` is TGI (server-sent events), any other
LMI (JSON lines); `…split…` splits each line of a stream into two parts. A request with `messages` goes to chat
completions, one with `text_inputs` to embeddings, and a body that is not JSON is a prompt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fmbench_lib.emulator.behaviour import Behaviour, Plan, Task
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.aws import AwsAnswer, AwsWire
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.event_stream import event
from fmbench_lib.emulator.wires.generate import DjlAnswer, TgiAnswer
from fmbench_lib.emulator.wires.messages import FAILED, MessageAnswer, dump
from fmbench_lib.emulator.wires.openai import OpenAI

_WHOLE = "/invocations"
_STREAM = "/invocations-response-stream"
_BYTES = "application/octet-stream"


class VectorAnswer(MessageAnswer):
    """An embedding, sent when the answer's only token would have been streamed."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """`embedding` with one vector."""
        return {
            "embedding": [[(self.plan.salt >> 8 * dimension) % 256 / 256 for dimension in range(8)]] if tokens else []
        }


class SageMakerAnswer(AwsAnswer):
    """A container's answer, as SageMaker forwards it."""

    exception_type = "ModelStreamError"

    def __init__(self, task: Task, plan: Plan, framing: Framing, container: Answer, *, split: bool) -> None:
        super().__init__(task, plan, framing)
        self._container = container
        self._split = split

    def first_messages(self) -> bytes:
        """The container's opening, as payload parts."""
        return self._parts(self._container.opening())

    def content_message(self, text: str, index: int, *, reasoning: bool) -> bytes:
        """The container's event, as payload parts."""
        return self._parts(self._container.event(index))

    def malformed_message(self) -> bytes:
        """The container's malformed event, as payload parts."""
        return self._parts(self._container.malformed_event())

    def last_messages(self) -> bytes:
        """The container's tail, as payload parts."""
        return self._parts(self._container.tail())

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """Not used: bodies are the container's."""
        raise NotImplementedError

    def body(self) -> bytes:
        """The container's body; TGI's in a list."""
        return self._listed(self._container.body())

    def empty_body(self) -> bytes:
        """The container's empty body; TGI's in a list."""
        return self._listed(self._container.empty_body())

    def error_body(self) -> bytes:
        """The container's error body."""
        return self._container.error_body()

    def whole_headers(self) -> dict[str, str]:
        """The production variant that answered."""
        return {"x-Amzn-Invoked-Production-Variant": "AllTraffic"}

    def _listed(self, body: bytes) -> bytes:
        return b"[" + body + b"]" if self.task.variant == "tgi" else body

    def _parts(self, data: bytes) -> bytes:
        if not data:
            return b""
        middle = len(data) // 2 if self._split else len(data)
        return b"".join(event("PayloadPart", part, _BYTES) for part in (data[:middle], data[middle:]) if part)


class SageMaker(AwsWire):
    """Both calls, at `/endpoints/<name>/…`."""

    service = "sagemaker"
    errors = {  # noqa: RUF012 - never changed
        400: "ValidationError",
        424: "ModelError",
        429: "ThrottlingException",
        500: "InternalFailure",
        503: "ServiceUnavailable",
    }

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(behaviour)
        self._chat = OpenAI(behaviour)

    def accepts(self, method: str, path: str) -> bool:
        """`POST /endpoints/<name>/invocations` or `…-response-stream`."""
        return method == "POST" and path.startswith("/endpoints/") and path.endswith((_WHOLE, _STREAM))

    def as_json(self, request: Request) -> Request:
        """A body that is not JSON becomes a JSON string."""
        if request.headers.get("content-type", "").startswith("application/json"):
            return request
        return replace(request, body=dump(request.body.decode(errors="replace")))

    def read_object(self, body: Any, request: Request) -> Task:
        """The task of the container, with the endpoint's name as the model."""
        return replace(self._read(body, request), model=request.path.split("/")[2])

    def _read(self, body: Any, request: Request) -> Task:
        stream = request.path.endswith(_STREAM)
        if isinstance(body, str):
            return self.make_task(body, stream, None, "djl")
        if "messages" in body:
            task = self._chat.read(replace(request, path="/v1/chat/completions"))
            return replace(task, stream=stream)
        if "text_inputs" in body:
            return self.make_task(body["text_inputs"], False, 1, "vector")
        parameters = body.get("parameters") or {}
        variant = "tgi" if "tgi" in request.path else "djl"
        task = self.make_task(body["inputs"], stream, parameters.get("max_new_tokens"), variant)
        return replace(task, include_usage=stream or bool(parameters.get("details")))

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """The container's answer, wrapped."""
        container: Answer
        if task.variant == "chat":
            container = self._chat.answer(task, plan, "close")
        else:
            answer_type = {"tgi": TgiAnswer, "vector": VectorAnswer}.get(task.variant, DjlAnswer)
            container = answer_type(task, plan, "close")
        return SageMakerAnswer(task, plan, framing, container, split="split" in task.model)

    def error_object(self, status: int, message: str) -> Any:
        """SageMaker's message, or the container's error for status 424."""
        if status != 424:
            return {"Message": message}
        return {
            "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
            "Message": f'Received client error ({status}) from primary with message "{message}".',
            "OriginalMessage": FAILED,
            "OriginalStatusCode": 500,
        }
