"""Bedrock's InvokeModel and InvokeModelWithResponseStream.

The chunks of a stream hold the family's own JSON in base64, and the last one Bedrock's token counts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fmbench_lib.aws.signing import Signing
from fmbench_lib.predictors.answer import Answer, fail_unreadable, json_object
from fmbench_lib.predictors.aws_wire import (
    REQUEST_ID_HEADER,
    accepting,
    aws_error,
    aws_request,
    is_event_stream,
    messages,
    model_address,
    take_error_in_200,
    within,
)
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.bedrock_families import family_of
from fmbench_lib.predictors.chat_content import answer_text, reasoning_text
from fmbench_lib.predictors.converse_messages import (
    counts_cached_inside,
    makes_vectors,
    prompt_with_cached,
    take_converse_event,
    take_usage,
)
from fmbench_lib.predictors.usage import cached_in, count, reasoning_in, written_in
from fmbench_lib.predictors.vectors import holds_vectors

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

_CHOICES = ("choices", "outputs", "generations", "completions", "results")
_REASONS = ("stop_reason", "finish_reason", "stopReason", "finishReason", "completionReason")


@dataclass(frozen=True, slots=True)
class InvokeModelPredictor:
    """Codec for one model's address, `…/model/<id>`; `model` gives the family if the address does not."""

    url: str
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    signing: Signing | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def generates_nothing(self) -> bool:
        """Whether answers are embeddings."""
        return makes_vectors(self.url, self.model)

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """A POST of InvokeModel in the format of the model's family."""
        family = family_of(unquote(self.url.rpartition("/")[2]), self.model)
        url = f"{self.url}/{'invoke-with-response-stream' if self.stream else 'invoke'}"
        body = family.request_body(prompt, self.parameters, max_tokens, stream=self.stream)
        accept = accepting(self.stream, "x-amzn-bedrock-accept")
        return aws_request(url, body, accept, self.headers, self.signing, self.api_key)

    def decode(self, response: HttpResponse) -> Completion:
        """The contents of an answer of any family, whole or streamed, with Bedrock's token counts."""
        if response.status != 200:
            return aws_error(response)
        answer, inside = Answer(is_event_stream(response)), counts_cached_inside(self.url, self.model)
        try:
            if answer.streamed:
                _read_stream(response.body, answer, inside)
                answer.done = answer.done or (response.complete and answer.finish_reason is not None)
            elif response.complete:
                answer.done = True
                _take(json_object(response.body), len(response.body), answer, inside)
        except (ValueError, RecursionError) as error:
            fail_unreadable(answer, response, f"the body is not an InvokeModel answer: {error}")
        _take_counted(response, answer)
        return answer.completion(response, REQUEST_ID_HEADER)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of InvokeModel; embeddings never stream."""
    return InvokeModelPredictor(
        model_address(url, model),
        model,
        stream=stream and not makes_vectors(url, model),
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
        signing=sent.signing,
    )


def _read_stream(body: bytes, answer: Answer, cached_inside: bool) -> None:
    for message in messages(body):
        if answer.is_over():
            return
        if message.error is not None:
            answer.fail(*message.error)
            return
        data = json_object(message.payload).get("bytes")
        if not isinstance(data, str):
            raise ValueError("a chunk has no bytes")
        _take(json_object(base64.b64decode(data, validate=True)), message.end_offset, answer, cached_inside)
        if answer.error is not None or answer.is_too_long():
            return


def _take(message: Mapping[str, Any], end_offset: int, answer: Answer, cached_inside: bool) -> None:
    """Add one object of any family: families differ in their keys, and no key has two meanings."""
    take_error_in_200(message, answer)
    if answer.error is not None:
        return
    if holds_vectors(message.get("embedding") or message.get("embeddings") or message.get("embeddingsByType")):
        answer.add_vector(end_offset)
    for form in (_take_anthropic, _take_nova, _take_choices, _take_plain):
        form(message, end_offset, answer)
    metrics = message.get("amazon-bedrock-invocationMetrics")
    if isinstance(metrics, dict):
        names = ("inputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
        counts = [metrics.get(name) for name in names]
        answer.add_counts(
            prompt_tokens=prompt_with_cached(counts, None, None, inside=cached_inside),
            completion_tokens=metrics.get("outputTokenCount"),
            cached_tokens=counts[1],
            cache_write_tokens=counts[2],
        )
        answer.done = True


def _take_anthropic(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    blocks = message.get("content")
    for piece in blocks if isinstance(blocks, list) else [message.get("delta")]:
        if isinstance(piece, dict):
            answer.add_text(piece.get("thinking"), end_offset, reasoning=True)
            answer.add_text(piece.get("text") or piece.get("partial_json") or _tool_input(piece), end_offset)
            answer.finish(piece.get("stop_reason"))
    for usage in (within(message, "message", "usage"), message.get("usage")):
        if isinstance(usage, dict) and "inputTokens" not in usage:
            _take_token_usage(usage, answer)


def _tool_input(piece: Mapping[str, Any]) -> str:
    """The input of a tool in a whole answer; in a stream it comes as `partial_json`."""
    return json.dumps(piece["input"]) if piece.get("type") == "tool_use" and piece.get("input") else ""


def _take_token_usage(usage: Mapping[str, Any], answer: Answer) -> None:
    """Add Anthropic's counts, where `input_tokens` does not include cached tokens, or those of chat completions."""
    given = count(usage.get("input_tokens", usage.get("prompt_tokens")))
    beside = [count(usage.get(f"cache_{way}_input_tokens")) or 0 for way in ("read", "creation")]
    answer.add_counts(
        prompt_tokens=None if given is None else given + sum(beside),
        completion_tokens=usage.get("output_tokens", usage.get("completion_tokens")),
        total_tokens=usage.get("total_tokens"),
        cached_tokens=cached_in(usage),
        cache_write_tokens=written_in(usage),
        reasoning_tokens=reasoning_in(usage),
    )


def _take_nova(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    finished = answer.done  # the token counts come after the end of the message
    for event in ("contentBlockDelta", "messageStop", "metadata"):
        if isinstance(message.get(event), dict):
            take_converse_event(event, message[event], end_offset, answer)
    answer.done = finished
    content = within(message, "output", "message", "content")
    for block in content if isinstance(content, list) else ():
        answer.add_text(within(block, "text"), end_offset)
    if within(message, "usage", "inputTokens") is not None:
        take_usage(message["usage"], answer)


def _take_choices(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    """Add lists of answers: chat choices, Mistral's outputs, Cohere's generations, AI21's completions, …"""
    for key in _CHOICES:
        choices = message.get(key)
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                raise ValueError(f"{key} is not a list of objects")
            parts = (choice[name] for name in ("delta", "message", "data") if isinstance(choice.get(name), dict))
            part = next(parts, choice)
            answer.add_text(reasoning_text(part), end_offset, reasoning=True)
            answer.add_text(answer_text(part) or part.get("outputText"), end_offset)
            _take_reason(choice, answer)
            answer.add_counts(completion_tokens=choice.get("tokenCount"))


def _take_plain(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    """Add text at the top level: Llama's `generation`, Titan's `outputText`, Cohere's `text`."""
    if message.get("event_type") != "stream-end":  # Cohere's end repeats the whole
        for key in ("generation", "outputText", "text", "completion"):
            answer.add_text(message.get(key), end_offset)
    _take_reason(message, answer)
    answer.add_counts(
        prompt_tokens=message.get("prompt_token_count", message.get("inputTextTokenCount")),
        completion_tokens=message.get("generation_token_count", message.get("totalOutputTextTokenCount")),
    )


def _take_reason(message: Mapping[str, Any], answer: Answer) -> None:
    reason = next(filter(None, map(message.get, _REASONS)), None)
    answer.finish(within(reason, "reason") or reason)


def _take_counted(response: HttpResponse, answer: Answer) -> None:
    """Add Bedrock's own counts, which are in the headers of a whole answer."""
    for name, header in (("prompt_tokens", "input"), ("completion_tokens", "output")):
        if getattr(answer, name) is None:
            answer.add_counts(**{name: response.header(f"x-amzn-bedrock-{header}-token-count")})
