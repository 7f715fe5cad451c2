"""SageMaker's InvokeEndpoint and InvokeEndpointWithResponseStream, in front of any serving container.

The answer is in the container's own format: TGI and LMI (one object or JSON lines), chat completions (an object or
server-sent events), embeddings, or a label. In a stream its bytes come in payload parts, split anywhere.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from fmbench_lib.aws.signing import Signing
from fmbench_lib.errors import InputError
from fmbench_lib.images import chat_content
from fmbench_lib.predictors.answer import Answer, fail_unreadable, parsed, take_trailing_counts
from fmbench_lib.predictors.aws_wire import (
    JSON,
    REQUEST_ID_HEADER,
    accepting,
    aws_error,
    aws_request,
    is_event_stream,
    messages,
)
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.container_messages import Marked, take
from fmbench_lib.predictors.message_lists import Messages
from fmbench_lib.predictors.streams import form_of, is_end, json_lines, sse_data

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

Form = Literal["inputs", "messages", "text_inputs", "split"]

_STREAM_SUFFIX = "-response-stream"
_ACCEPT_IN_STREAM = "x-amzn-sagemaker-accept"
_HEADERS_OF_ARGUMENTS = {
    "contenttype": "content-type",
    "content-type": "content-type",
    "customattributes": "x-amzn-sagemaker-custom-attributes",
    "targetmodel": "x-amzn-sagemaker-target-model",
    "targetvariant": "x-amzn-sagemaker-target-variant",
    "targetcontainerhostname": "x-amzn-sagemaker-target-container-hostname",
    "inferenceid": "x-amzn-sagemaker-inference-id",
    "inferencecomponentname": "x-amzn-sagemaker-inference-component",
    "sessionid": "x-amzn-sagemaker-session-id",
    "enableexplanations": "x-amzn-sagemaker-enable-explanations",
    "prefixawareid": "x-amzn-sagemaker-prefix-aware-id",
}
"""InvokeEndpoint's arguments, each with its header."""


@dataclass(frozen=True, slots=True)
class SageMakerPredictor:
    """Codec for one endpoint's address, `…/endpoints/<name>/invocations`.

    `form` is the request format: `inputs` with parameters, `messages`, `text_inputs` (embeddings), or `split`: the
    prompt alone is the body, and the parameters are InvokeEndpoint's arguments.
    """

    url: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    form: Form = "inputs"
    start_token: str | None = None
    stop_token: str | None = None
    signing: Signing | None = None
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def echoes_prompt(self) -> bool:
        """Whether answers begin with the prompt."""
        return bool(self.parameters.get("return_full_text"))

    @property
    def raw_prompt(self) -> bool:
        """Whether the model gets the prompt as it is: but for messages and embeddings."""
        return self.form in ("inputs", "split")

    @property
    def generates_nothing(self) -> bool:
        """Whether answers are embeddings."""
        return self.form == "text_inputs"

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """A POST of the container's request, or of the prompt alone with the parameters as headers."""
        if self.form == "split":
            return self._split(prompt)
        if self.form == "messages":
            return self.encode_messages([{"role": "user", "content": chat_content(prompt)}], max_tokens)
        parameters = {key: value for key, value in self.parameters.items() if key != "stream"}
        body: dict[str, Any]
        if self.form == "text_inputs":
            body = {"text_inputs": prompt, **parameters}
        else:
            if max_tokens is not None:
                parameters["max_new_tokens"] = max_tokens
            body = {"inputs": prompt, **({"parameters": parameters} if parameters else {})}
        return self._request(body)

    def takes_messages(self, messages: Messages) -> bool:
        """Whether requests hold messages: in the messages form alone."""
        return self.form == "messages"

    def encode_messages(self, messages: Messages, max_tokens: int | None = None) -> HttpRequest:
        """A POST of these messages."""
        parameters = {key: value for key, value in self.parameters.items() if key != "stream"}
        if max_tokens is not None:
            limit = "max_completion_tokens" if "max_completion_tokens" in parameters else "max_tokens"
            parameters[limit] = max_tokens
        return self._request({"messages": list(messages), **parameters})

    def _request(self, body: dict[str, Any]) -> HttpRequest:
        sent = {**body, "stream": True} if self.stream else body
        accept = accepting(self.stream, _ACCEPT_IN_STREAM)
        return aws_request(self._address, sent, accept, self.headers, self.signing, self.api_key)

    @property
    def _address(self) -> str:
        return self.url.removesuffix(_STREAM_SUFFIX) + (_STREAM_SUFFIX if self.stream else "")

    def _split(self, prompt: str) -> HttpRequest:
        arguments = {"content-type": "application/x-text", **accepting(self.stream, _ACCEPT_IN_STREAM)}
        names = _HEADERS_OF_ARGUMENTS | {"accept": _ACCEPT_IN_STREAM if self.stream else "accept"}
        for key, value in self.parameters.items():
            name = names.get(key.lower().replace("_", ""))
            if name is None:
                raise InputError(
                    f"split_input_and_parameters sends the prompt alone; {key} is not an argument of InvokeEndpoint: "
                    "leave it out, or write split_input_and_parameters: no"
                )
            arguments[name] = str(value)
        as_json = arguments["content-type"].startswith(JSON)
        body = (json.dumps(prompt) if as_json else prompt).encode()
        return aws_request(self._address, body, arguments, self.headers, self.signing, self.api_key)

    def decode(self, response: HttpResponse) -> Completion:
        """The container's answer, whole or joined from the payload parts of a stream."""
        if response.status != 200:
            return aws_error(response)
        answer = Answer(is_event_stream(response))
        marked = Marked(answer, self.start_token, self.stop_token)
        try:
            if answer.streamed:
                _read_stream(response, marked)
            elif response.complete:
                _read_whole(response.body, marked)
        except (ValueError, RecursionError) as error:
            fail_unreadable(answer, response, f"the body is not a container's answer: {error}")
        return answer.completion(response, REQUEST_ID_HEADER)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of an endpoint's invocations; embeddings never stream."""
    form, spec = _form(experiment), experiment.inference_spec
    return SageMakerPredictor(
        url,
        stream=stream and form != "text_inputs",
        form=form,
        start_token=spec.start_token,
        stop_token=spec.stop_token,
        parameters={**_task(experiment, form), **sent.parameters},
        api_key=sent.api_key,
        headers=sent.headers,
        signing=sent.signing,
    )


def _task(experiment: Experiment, form: Form) -> dict[str, str]:
    """What JumpStart's sentence models are asked for: they do several things, and refuse a request that names none."""
    is_sentence_model = "sentencesimilarity" in (experiment.model_id or "")
    return {"mode": "embedding"} if form == "text_inputs" and is_sentence_model else {}


def _form(experiment: Experiment) -> Form:
    spec = experiment.inference_spec
    if experiment.use_messages_api_format:
        return "messages"
    if spec.container_type == "huggingface" or spec.parameters.get("mode") == "embedding":
        return "text_inputs"
    return "split" if spec.split_input_and_parameters else "inputs"


def _read_whole(body: bytes, marked: Marked) -> None:
    marked.answer.done = True
    if not body.strip():
        raise ValueError("nothing")
    try:
        message = json.loads(body)
    except ValueError:
        if body.lstrip()[:1] in (b"{", b"["):
            raise
        message = body.decode()  # a container may answer in plain text
        if body.lstrip()[:1] == b"<":  # a proxy's page is none
            raise ValueError("a page") from None
    while isinstance(message, list) and message and not _is_vector(message):
        message = message[0]
    take(message, len(body), marked)


def _is_vector(value: list[Any]) -> bool:
    return value[0] is None or isinstance(value[0], int | float)


def _read_stream(response: HttpResponse, marked: Marked) -> None:
    """Join the parts and read the container's messages; a message ends at the offset of the part that completes it."""
    inner_ends: list[int] = []
    outer_ends: list[int] = []
    parts: list[bytes] = []
    failure = None
    for message in messages(response.body):
        failure = message.error
        if failure is not None:
            break
        parts.append(message.payload)
        inner_ends.append((inner_ends[-1] if inner_ends else 0) + len(message.payload))
        outer_ends.append(message.end_offset)
    body = b"".join(parts)
    consumed = outer_ends[-1] if outer_ends else 0
    whole = response.complete and failure is None and consumed == len(response.body)
    answer = marked.answer
    pieces = _lines(body, whole)
    for end, data in pieces:
        while body[end - 1 : end].isspace():  # the message was readable before the line break after it had arrived
            end -= 1
        if is_end(data):
            answer.done = True
        else:
            message = parsed(data, answer)
            if answer.error is None:
                take(message, outer_ends[bisect_left(inner_ends, end)], marked)
        if answer.error is not None or answer.is_too_long():
            break
        if answer.is_over():
            take_trailing_counts(pieces, answer, lambda message, end, trailing: take(message, end, Marked(trailing)))
    if failure is not None and not answer.is_over():
        answer.fail(*failure)
    if failure is None and not whole:
        answer.fail("truncated", "the response ended within a part of its event stream")
    answer.done = answer.done or (whole and marked.ended is not False)


def _lines(body: bytes, whole: bool) -> Iterator[tuple[int, bytes]]:
    """The messages of a container's stream: server-sent events or JSON lines."""
    split = sse_data if form_of("", body) == "events" else json_lines
    return split(body, complete=whole)
