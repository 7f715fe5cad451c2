"""SageMaker's InvokeEndpoint and InvokeEndpointWithResponseStream, with a container of one's choice behind them.

The endpoint's name chooses what a request with `inputs` meets: `…tgi…` is TGI (server-sent events), any other LMI
(JSON lines); `…split…` has each line of a stream cut in two parts. A request with `messages` meets chat completions,
one with `text_inputs` embeddings, and a text that is no JSON is a prompt.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fmbench_lib.emulator.behaviour import Ask, Behaviour, Plan
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
    """An embedding; it comes when its one token would have been streamed."""

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        return {"embedding": [[(self.plan.salt >> 8 * place) % 256 / 256 for place in range(8)]] if tokens else []}


class SageMakerAnswer(AwsAnswer):
    """What a container answers, as SageMaker hands it on."""

    exception_type = "ModelStreamError"

    def __init__(self, ask: Ask, plan: Plan, framing: Framing, container: Answer, *, split: bool) -> None:
        super().__init__(ask, plan, framing)
        self._container = container
        self._split = split

    def first_messages(self) -> bytes:
        return self._parts(self._container.opening())

    def content_message(self, text: str, index: int, *, reasoning: bool) -> bytes:
        return self._parts(self._container.event(index))

    def malformed_message(self) -> bytes:
        return self._parts(self._container.malformed_event())

    def last_messages(self) -> bytes:
        return self._parts(self._container.tail())

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        raise NotImplementedError

    def body(self) -> bytes:
        return self._listed(self._container.body())

    def empty_body(self) -> bytes:
        return self._listed(self._container.empty_body())

    def error_body(self) -> bytes:
        return self._container.error_body()

    def whole_headers(self) -> dict[str, str]:
        return {"x-Amzn-Invoked-Production-Variant": "AllTraffic"}

    def _listed(self, body: bytes) -> bytes:
        return b"[" + body + b"]" if self.ask.variant == "tgi" else body

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
        return method == "POST" and path.startswith("/endpoints/") and path.endswith((_WHOLE, _STREAM))

    def readable(self, request: Request) -> Request:
        if request.headers.get("content-type", "").startswith("application/json"):
            return request
        return replace(request, body=dump(request.body.decode(errors="replace")))

    def read_object(self, asked: Any, request: Request) -> Ask:
        return replace(self._read(asked, request), model=request.path.split("/")[2])

    def _read(self, asked: Any, request: Request) -> Ask:
        stream = request.path.endswith(_STREAM)
        if isinstance(asked, str):
            return self.ask(asked, stream, None, "djl")
        if "messages" in asked:
            ask = self._chat.read(replace(request, path="/v1/chat/completions"))
            return replace(ask, stream=stream)
        if "text_inputs" in asked:
            return self.ask(asked["text_inputs"], False, 1, "vector")
        parameters = asked.get("parameters") or {}
        variant = "tgi" if "tgi" in request.path else "djl"
        ask = self.ask(asked["inputs"], stream, parameters.get("max_new_tokens"), variant)
        return replace(ask, include_usage=stream or bool(parameters.get("details")))

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        container: Answer
        if ask.variant == "chat":
            container = self._chat.answer(ask, plan, "close")
        else:
            made = {"tgi": TgiAnswer, "vector": VectorAnswer}.get(ask.variant, DjlAnswer)
            container = made(ask, plan, "close")
        return SageMakerAnswer(ask, plan, framing, container, split="split" in ask.model)

    def error_object(self, status: int, message: str) -> Any:
        if status != 424:
            return {"Message": message}
        return {
            "ErrorCode": "CLIENT_ERROR_FROM_MODEL",
            "Message": f'Received client error ({status}) from primary with message "{message}".',
            "OriginalMessage": FAILED,
            "OriginalStatusCode": 500,
        }
