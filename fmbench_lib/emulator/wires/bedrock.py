"""Bedrock's Converse, ConverseStream, InvokeModel and InvokeModelWithResponseStream, for any model id."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import unquote

from fmbench_lib.emulator.behaviour import Plan, Task
from fmbench_lib.emulator.framing import Request
from fmbench_lib.emulator.wires.aws import AwsAnswer, AwsWire
from fmbench_lib.emulator.wires.base import Answer, Framing
from fmbench_lib.emulator.wires.bedrock_families import FORMS, InvokeForm, form_of
from fmbench_lib.emulator.wires.event_stream import event
from fmbench_lib.emulator.wires.messages import JsonObject, dump

_OPERATIONS = {"converse": False, "converse-stream": True, "invoke": False, "invoke-with-response-stream": True}
"""The last segment of a call's path, and whether its answer streams."""
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens"}
_CONVERSE, _TOOL = "converse", "converse with a tool"


class ConverseAnswer(AwsAnswer):
    """An answer in Converse's form, which is the same for all models; where the request names a tool, its use."""

    exception_type = "modelStreamErrorException"

    def first_messages(self) -> bytes:
        """`messageStart`."""
        return event("messageStart", dump({"role": "assistant"}))

    def content_message(self, text: str, index: int, *, reasoning: bool) -> bytes:
        """`contentBlockDelta`, with `reasoningContent` for reasoning."""
        said = {"toolUse": {"input": text}} if self.task.variant == _TOOL else {"text": text}
        delta = {"reasoningContent": {"text": text}} if reasoning else said
        return event("contentBlockDelta", dump({"contentBlockIndex": 0, "delta": delta, "p": "abcdefgh"}))

    def malformed_message(self) -> bytes:
        """A `contentBlockDelta` whose JSON ends too early."""
        return event("contentBlockDelta", b'{"delta":{"text":')

    def last_messages(self) -> bytes:
        """`contentBlockStop`, `messageStop` and `metadata` with the usage."""
        stop = event("contentBlockStop", dump({"contentBlockIndex": 0}))
        end = event("messageStop", dump({"stopReason": _STOP_REASONS[self.plan.finish_reason]}))
        return stop + end + event("metadata", dump({**self._usage(self.plan.tokens), "metrics": {"latencyMs": 1}}))

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """`output.message` with its content blocks, stop reason and usage."""
        blocks: list[Any] = [{"reasoningContent": {"reasoningText": {"text": reasoning}}}] if reasoning else []
        if self.task.variant == _TOOL:
            blocks.append({"toolUse": {"toolUseId": "tooluse_1", "name": "verdict", "input": _object_in(text)}})
        else:
            blocks += [{"text": text}] if text else []
        return {
            "output": {"message": {"role": "assistant", "content": blocks}},
            "stopReason": _STOP_REASONS[self.plan.finish_reason],
            **self._usage(tokens),
            "metrics": {"latencyMs": 1},
        }

    def failure(self) -> Any:
        """An error object as AWS's framework returns it."""
        return {"Output": {"__type": "com.amazon.coral.service#InternalFailure"}, "Version": "1.0"}

    def _usage(self, tokens: int) -> JsonObject:
        if not self.plan.usage:
            return {}
        cached, prompt = self.plan.cached_tokens, self.task.prompt_tokens
        counts = {"inputTokens": prompt - cached, "outputTokens": tokens, "totalTokens": prompt + tokens}
        return {"usage": counts | ({"cacheReadInputTokens": cached} if cached else {})}


class InvokeAnswer(AwsAnswer):
    """An answer in the form of a model family; a stream consists of base64 chunks."""

    exception_type = "modelStreamErrorException"

    def __init__(self, task: Task, plan: Plan, framing: Framing, form: InvokeForm) -> None:
        super().__init__(task, plan, framing)
        self._form = form

    def first_messages(self) -> bytes:
        """The family's first objects as chunks."""
        return b"".join(map(_chunk, self._form.first(self.task)))

    def content_message(self, text: str, index: int, *, reasoning: bool) -> bytes:
        """The family's content object as a chunk."""
        return _chunk(self._form.piece(text, index, self.task))

    def malformed_message(self) -> bytes:
        """A chunk whose JSON ends too early."""
        return event("chunk", dump({"bytes": base64.b64encode(b'{"text":').decode()}))

    def last_messages(self) -> bytes:
        """The family's last objects as chunks; the final one has Bedrock's invocation metrics."""
        *others, last = self._form.last(self.task, self.plan)
        counts = {"inputTokenCount": self.task.prompt_tokens, "outputTokenCount": self.plan.tokens}
        metrics = {"amazon-bedrock-invocationMetrics": {**counts, "invocationLatency": 1, "firstByteLatency": 1}}
        return b"".join(map(_chunk, others)) + _chunk(last | (metrics if self.plan.usage else {}))

    def message_whole(self, reasoning: str, text: str, tokens: int) -> Any:
        """The family's object for an unstreamed answer."""
        return self._form.whole(reasoning + text, tokens, self.task, self.plan)

    def whole_headers(self) -> dict[str, str]:
        """Bedrock's token counts and latency."""
        if not self.plan.usage:
            return {}
        return {
            "X-Amzn-Bedrock-Input-Token-Count": str(self.task.prompt_tokens),
            "X-Amzn-Bedrock-Output-Token-Count": str(self.plan.tokens),
            "X-Amzn-Bedrock-Invocation-Latency": "1",
        }

    def failure(self) -> Any:
        """An error object as AWS's framework returns it."""
        return {"Output": {"__type": "com.amazon.coral.service#InternalFailure"}, "Version": "1.0"}


def _chunk(content: JsonObject) -> bytes:
    return event("chunk", dump({"bytes": base64.b64encode(dump(content)).decode(), "p": "abcdefgh"}))


class Bedrock(AwsWire):
    """All four calls, at `/model/<escaped id>/…`."""

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
        """`POST /model/<id>/<operation>`."""
        return method == "POST" and path.startswith("/model/") and path.rpartition("/")[2] in _OPERATIONS

    def read_object(self, body: Any, request: Request) -> Task:
        """A Converse request's last message, or an InvokeModel body in its family's form."""
        model, _, operation = request.path.removeprefix("/model/").rpartition("/")  # an ARN may have slashes
        model = unquote(model)
        if operation.startswith("converse"):
            prompt = _text_of(body["messages"][-1]["content"])
            maximum = (body.get("inferenceConfig") or {}).get("maxTokens")
            tool = ((body.get("toolConfig") or {}).get("toolChoice") or {}).get("tool")
            return self.make_task(prompt, _OPERATIONS[operation], maximum, _TOOL if tool else _CONVERSE, model)
        form = form_of(model, body)
        prompt, maximum = FORMS[form].read(body)
        stream = _OPERATIONS[operation]
        if stream and not FORMS[form].streams:
            raise ValueError(f"{model} does not support streaming")
        return self.make_task(prompt, stream, maximum, form, model)

    def answer(self, task: Task, plan: Plan, framing: Framing) -> Answer:
        """In Converse's form, or in that of the request's family."""
        if task.variant in (_CONVERSE, _TOOL):
            return ConverseAnswer(task, plan, framing)
        return InvokeAnswer(task, plan, framing, FORMS[task.variant])


def _text_of(content: list[JsonObject]) -> str:
    return "\n".join(block["text"] for block in content if "text" in block)


def _object_in(text: str) -> Any:
    """The first JSON object in a text, as the input of a tool must be one; a text without any is an explanation."""
    try:
        return json.JSONDecoder().raw_decode(text, text.index("{"))[0]
    except ValueError:
        return {"explanation": text}
