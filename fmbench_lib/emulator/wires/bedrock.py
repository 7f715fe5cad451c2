"""Bedrock's Converse, ConverseStream, InvokeModel and InvokeModelWithResponseStream, for any model id."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote

from fmbench_lib.emulator.behaviour import Ask, Plan
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.aws import AwsAnswer, AwsWire
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.bedrock_families import FORMS, InvokeForm, form_of
from fmbench_lib.emulator.wires.event_stream import event
from fmbench_lib.emulator.wires.messages import dump

_OPERATIONS = {"converse": False, "converse-stream": True, "invoke": False, "invoke-with-response-stream": True}
"""The last part of a call's path, and whether its answer streams."""
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}


class ConverseAnswer(AwsAnswer):
    """One form for all models."""

    exception_type = "modelStreamErrorException"

    def first_messages(self) -> bytes:
        return event("messageStart", dump({"role": "assistant"}))

    def content_message(self, text: str, index: int, *, reasoning: bool) -> bytes:
        delta = {"reasoningContent": {"text": text}} if reasoning else {"text": text}
        return event("contentBlockDelta", dump({"contentBlockIndex": 0, "delta": delta, "p": "abcdefgh"}))

    def malformed_message(self) -> bytes:
        return event("contentBlockDelta", b'{"delta":{"text":')

    def last_messages(self) -> bytes:
        stop = event("contentBlockStop", dump({"contentBlockIndex": 0}))
        end = event("messageStop", dump({"stopReason": _STOP_REASONS[self.plan.finish_reason]}))
        return stop + end + event("metadata", dump({**self._usage(self.plan.tokens), "metrics": {"latencyMs": 1}}))

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        blocks: list[Any] = [{"reasoningContent": {"reasoningText": {"text": reasoning}}}] if reasoning else []
        blocks += [{"text": text}] if text else []
        return {
            "output": {"message": {"role": "assistant", "content": blocks}},
            "stopReason": _STOP_REASONS[self.plan.finish_reason],
            **self._usage(tokens),
            "metrics": {"latencyMs": 1},
        }

    def failure(self) -> Any:
        return {"Output": {"__type": "com.amazon.coral.service#InternalFailure"}, "Version": "1.0"}

    def _usage(self, tokens: int) -> dict[str, Any]:
        if not self.plan.usage:
            return {}
        cached, given = self.plan.cached_tokens, self.ask.prompt_tokens
        counts = {"inputTokens": given - cached, "outputTokens": tokens, "totalTokens": given + tokens}
        return {"usage": counts | ({"cacheReadInputTokens": cached} if cached else {})}


class InvokeAnswer(AwsAnswer):
    """A family's own form, its stream in chunks of base64."""

    exception_type = "modelStreamErrorException"

    def __init__(self, ask: Ask, plan: Plan, framing: Framing, form: InvokeForm) -> None:
        super().__init__(ask, plan, framing)
        self._form = form

    def first_messages(self) -> bytes:
        return b"".join(map(_chunk, self._form.first(self.ask)))

    def content_message(self, text: str, index: int, *, reasoning: bool) -> bytes:
        return _chunk(self._form.piece(text, index, self.ask))

    def malformed_message(self) -> bytes:
        return event("chunk", dump({"bytes": base64.b64encode(b'{"text":').decode()}))

    def last_messages(self) -> bytes:
        *others, last = self._form.last(self.ask, self.plan)
        counts = {"inputTokenCount": self.ask.prompt_tokens, "outputTokenCount": self.plan.tokens}
        metrics = {"amazon-bedrock-invocationMetrics": {**counts, "invocationLatency": 1, "firstByteLatency": 1}}
        return b"".join(map(_chunk, others)) + _chunk(last | (metrics if self.plan.usage else {}))

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        return self._form.whole(reasoning + text, tokens, self.ask, self.plan)

    def whole_headers(self) -> dict[str, str]:
        if not self.plan.usage:
            return {}
        return {
            "X-Amzn-Bedrock-Input-Token-Count": str(self.ask.prompt_tokens),
            "X-Amzn-Bedrock-Output-Token-Count": str(self.plan.tokens),
            "X-Amzn-Bedrock-Invocation-Latency": "1",
        }

    def failure(self) -> Any:
        return {"Output": {"__type": "com.amazon.coral.service#InternalFailure"}, "Version": "1.0"}


def _chunk(said: dict[str, Any]) -> bytes:
    return event("chunk", dump({"bytes": base64.b64encode(dump(said)).decode(), "p": "abcdefgh"}))


class Bedrock(AwsWire):
    """All four calls, at `/model/<quoted id>/…`."""

    service = "bedrock"
    errors = {  # noqa: RUF012 - never changed
        400: "ValidationException",
        404: "ResourceNotFoundException",
        408: "ModelTimeoutException",
        424: "ModelErrorException",
        429: "ThrottlingException",
        500: "InternalServerException",
        503: "ServiceUnavailableException",
    }

    def accepts(self, method: str, path: str) -> bool:
        return method == "POST" and path.startswith("/model/") and path.rpartition("/")[2] in _OPERATIONS

    def read_object(self, asked: Any, request: Request) -> Ask:
        _, _, model, operation = request.path.split("/")
        model = unquote(model)
        if operation.startswith("converse"):
            prompt = _text_of(asked["messages"][-1]["content"])
            maximum = (asked.get("inferenceConfig") or {}).get("maxTokens")
            return self.ask(prompt, _OPERATIONS[operation], maximum, "converse", model)
        form = form_of(model, asked)
        prompt, maximum = FORMS[form].read(asked)
        stream = _OPERATIONS[operation]
        if stream and not FORMS[form].streams:
            raise ValueError(f"{model} does not support streaming")
        return self.ask(prompt, stream, maximum, form, model)

    def answer(self, ask: Ask, plan: Plan, framing: Framing) -> Answer:
        if ask.variant == "converse":
            return ConverseAnswer(ask, plan, framing)
        return InvokeAnswer(ask, plan, framing, FORMS[ask.variant])


def _text_of(content: list[dict[str, Any]]) -> str:
    return "\n".join(block["text"] for block in content if "text" in block)
