"""Bedrock's Converse and ConverseStream: one message format for all models."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fmbench_lib.aws.signing import Signing
from fmbench_lib.images import parts_of
from fmbench_lib.predictors.answer import Answer, count, json_object, text
from fmbench_lib.predictors.aws_wire import (
    EVENT_STREAM,
    JSON,
    REQUEST_ID_HEADER,
    aws_error,
    aws_request,
    is_event_stream,
    messages,
    take_error_in_200,
    within,
)
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

_INFERENCE_CONFIG = {
    "max_tokens": "maxTokens",
    "maxTokens": "maxTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "topP": "topP",
    "stop": "stopSequences",
    "stop_sequences": "stopSequences",
    "stopSequences": "stopSequences",
}
_OF_THE_REQUEST = ("system", "toolConfig", "guardrailConfig", "performanceConfig", "requestMetadata", "promptVariables")
NOT_SENT = ("stream", "caching", "use_boto3")
"""Settings of the client library of FMBench 2.x, which are not parameters of the model."""


@dataclass(frozen=True, slots=True)
class ConversePredictor:
    """Codec for one model's address, `…/model/<id>`, to which the operation is added."""

    url: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    signing: Signing | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """A POST of Converse or ConverseStream, with the parameters in their places."""
        body: dict[str, Any] = {"messages": [{"role": "user", "content": content_blocks(prompt)}]}
        body |= converse_parameters(self.parameters)
        if max_tokens is not None:
            body["inferenceConfig"] = {**body.get("inferenceConfig", {}), "maxTokens": max_tokens}
        url = f"{self.url}/{'converse-stream' if self.stream else 'converse'}"
        accept = {"accept": EVENT_STREAM if self.stream else JSON}
        return aws_request(url, body, accept, self.headers, self.signing, self.api_key)

    def decode(self, response: HttpResponse) -> Completion:
        """The text blocks, reasoning and token counts of a Converse answer, whole or streamed."""
        if response.status != 200:
            return aws_error(response)
        answer = Answer(is_event_stream(response))
        try:
            if answer.streamed:
                _read_stream(response.body, answer)
            elif response.complete:
                _take_whole(json_object(response.body), len(response.body), answer)
        except (ValueError, RecursionError) as error:
            answer.fail("decode", f"the body is not a Converse answer: {error}")
        return answer.completion(response, REQUEST_ID_HEADER)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of Converse; for embedding models that of InvokeModel, the only call that returns vectors."""
    if makes_vectors(url, model):
        from fmbench_lib.predictors import bedrock_invoke  # which imports this module

        return bedrock_invoke.make(experiment, url, model, stream, sent)
    return ConversePredictor(
        url,
        stream=stream,
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
        signing=sent.signing,
    )


def makes_vectors(url: str, model: str | None) -> bool:
    """Whether the model of an address, or the one behind it, is an embedding model."""
    return any(re.search(r"[./-]embed\b", name) is not None for name in (url, model or ""))


def content_blocks(prompt: str) -> list[dict[str, Any]]:
    """A prompt's texts and images as content blocks of Converse and Nova."""
    return [
        {"text": part}
        if isinstance(part, str)
        else {"image": {"format": part.format, "source": {"bytes": part.base64}}}
        for part in parts_of(prompt)
    ]


def converse_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment's parameters in their places in a Converse request; unknown ones are passed on to the model."""
    request: dict[str, Any] = {key: parameters[key] for key in _OF_THE_REQUEST if key in parameters}
    config = {_INFERENCE_CONFIG[key]: value for key, value in parameters.items() if key in _INFERENCE_CONFIG}
    config |= parameters.get("inferenceConfig") or {}
    if isinstance(config.get("stopSequences"), str):
        config["stopSequences"] = [config["stopSequences"]]
    placed = {*_INFERENCE_CONFIG, *_OF_THE_REQUEST, *NOT_SENT, "inferenceConfig", "additionalModelRequestFields"}
    more = {key: value for key, value in parameters.items() if key not in placed}
    more |= parameters.get("additionalModelRequestFields") or {}
    if config:
        request["inferenceConfig"] = config
    if more:
        request["additionalModelRequestFields"] = more
    return request


def _read_stream(body: bytes, answer: Answer) -> None:
    for message in messages(body):
        if message.error is not None:
            answer.fail(*message.error)
            return
        take_converse_event(message.event, json_object(message.payload), message.end_offset, answer)


def take_converse_event(event: str, payload: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    """Add one event of a stream. Nova's own streams consist of the same events, one level down."""
    if event == "contentBlockDelta":
        _take_block(payload.get("delta"), end_offset, answer)
    elif event == "messageStop":
        answer.finish_reason = text(payload.get("stopReason")) or None
        answer.done = True
    elif event == "metadata":
        take_usage(payload.get("usage"), answer)


def _take_whole(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    answer.done = True
    take_error_in_200(message, answer)
    content = within(message, "output", "message", "content")
    if not isinstance(content, list):
        raise ValueError("output.message.content is missing")
    for block in content:
        _take_block(block, end_offset, answer)
    answer.finish_reason = text(message.get("stopReason")) or None
    take_usage(message.get("usage"), answer)


def _take_block(block: Any, end_offset: int, answer: Answer) -> None:
    """Add a block of content or a piece of one: text, reasoning or the input of a tool."""
    reasoning = within(block, "reasoningContent", "text") or within(block, "reasoningContent", "reasoningText", "text")
    answer.add_text(reasoning, end_offset, reasoning=True)
    given = within(block, "toolUse", "input")
    answer.add_text(given if given is None or isinstance(given, str) else json.dumps(given), end_offset)
    answer.add_text(within(block, "text"), end_offset)


def take_usage(usage: Any, answer: Answer) -> None:
    """Add token counts as Converse and Nova send them; `inputTokens` does not include cached prompt tokens."""
    if isinstance(usage, dict):
        cached = count(usage.get("cacheReadInputTokens"))
        written = count(usage.get("cacheWriteInputTokens"))
        given = count(usage.get("inputTokens"))
        answer.prompt_tokens = None if given is None else given + (cached or 0) + (written or 0)
        answer.completion_tokens = count(usage.get("outputTokens"))
        answer.cached_tokens = cached
