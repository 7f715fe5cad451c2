"""Bedrock's Converse and ConverseStream: one message format for all models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fmbench_lib.aws.signing import Signing
from fmbench_lib.predictors import bedrock_invoke
from fmbench_lib.predictors.answer import Answer, fail_unreadable, json_object
from fmbench_lib.predictors.aws_wire import (
    EVENT_STREAM,
    JSON,
    REQUEST_ID_HEADER,
    aws_error,
    aws_request,
    is_event_stream,
    messages,
    model_address,
    take_error_in_200,
    within,
)
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.converse_messages import (
    NOT_SENT,
    content_blocks,
    counts_cached_inside,
    makes_vectors,
    take_block,
    take_converse_event,
    take_usage,
)
from fmbench_lib.predictors.message_lists import Messages, only_text

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
        return self._request({"messages": [{"role": "user", "content": content_blocks(prompt)}]}, max_tokens)

    def takes_messages(self, messages: Messages) -> bool:
        """Whether the conversation is one of Converse: text, and the roles in turn, the user's first."""
        roles = [message["role"] for message in messages if message["role"] != "system"]
        return only_text(messages) and all(role == ("user", "assistant")[i % 2] for i, role in enumerate(roles))

    def encode_messages(self, messages: Messages, max_tokens: int | None = None) -> HttpRequest:
        """A POST of the messages, with those of the system where Converse has them; a `system` parameter wins."""
        turns = [
            {"role": message["role"], "content": content_blocks(message["content"])}
            for message in messages
            if message["role"] != "system"
        ]
        system = [{"text": message["content"]} for message in messages if message["role"] == "system"]
        return self._request({"messages": turns, **({"system": system} if system else {})}, max_tokens)

    def _request(self, asked: Mapping[str, Any], max_tokens: int | None) -> HttpRequest:
        body: dict[str, Any] = {**asked, **converse_parameters(self.parameters)}
        if max_tokens is not None:
            body["inferenceConfig"] = {**body.get("inferenceConfig", {}), "maxTokens": max_tokens}
        url = f"{self.url}/{'converse-stream' if self.stream else 'converse'}"
        accept = {"accept": EVENT_STREAM if self.stream else JSON}
        return aws_request(url, body, accept, self.headers, self.signing, self.api_key)

    def decode(self, response: HttpResponse) -> Completion:
        """The text blocks, reasoning and token counts of a Converse answer, whole or streamed."""
        if response.status != 200:
            return aws_error(response)
        answer, inside = Answer(is_event_stream(response)), counts_cached_inside(self.url)
        try:
            if answer.streamed:
                _read_stream(response.body, answer, inside)
            elif response.complete:
                _take_whole(json_object(response.body), len(response.body), answer, inside)
        except (ValueError, RecursionError) as error:
            fail_unreadable(answer, response, f"the body is not a Converse answer: {error}")
        return answer.completion(response, REQUEST_ID_HEADER)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of Converse; for embedding models that of InvokeModel, the only call that returns vectors."""
    if makes_vectors(url, model):
        return bedrock_invoke.make(experiment, url, model, stream, sent)
    return ConversePredictor(
        model_address(url, model),
        stream=stream,
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
        signing=sent.signing,
    )


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


def _read_stream(body: bytes, answer: Answer, cached_inside: bool) -> None:
    for message in messages(body):
        if message.error is not None:
            if not answer.is_over():
                answer.fail(*message.error)
            return
        payload = json_object(message.payload)
        take_converse_event(message.event, payload, message.end_offset, answer, cached_inside=cached_inside)
        if answer.is_too_long():
            return


def _take_whole(message: Mapping[str, Any], end_offset: int, answer: Answer, cached_inside: bool) -> None:
    answer.done = True
    take_error_in_200(message, answer)
    if answer.error is not None:
        return
    content = within(message, "output", "message", "content")
    if not isinstance(content, list):
        raise ValueError("output.message.content is missing")
    for block in content:
        take_block(block, end_offset, answer)
    answer.finish(message.get("stopReason"))
    take_usage(message.get("usage"), answer, cached_inside=cached_inside)
