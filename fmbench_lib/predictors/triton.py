"""Triton's generate extension: `/v2/models/<name>/generate` and `/generate_stream`.

TensorRT-LLM with in-flight batching takes its parameters beside `text_input`; the vLLM backend, and DJL on Neuron, take
them as JSON text in `sampling_parameters`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from fmbench_lib.predictors.answer import (
    Answer,
    decoded,
    is_streamed,
    json_request,
    pieces_of,
    read_messages,
    text,
)
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.usage import count

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

Form = Literal["beside", "sampling_parameters"]

_TENSORS = (
    "exclude_input_in_output",
    "return_finish_reason",
    "return_num_input_tokens",
    "return_num_output_tokens",
)
"""Parameters that vLLM's backend takes beside `sampling_parameters`."""


_PARAMETERS_AS_TEXT = ("djl", "vllm")
"""Backends that take their parameters as JSON text."""
_LEAST_MESSAGES = 3
_NEURON_FAMILIES = ("inf", "trn")


@dataclass(frozen=True, slots=True)
class TritonPredictor:
    """Codec for one model's address, with either suffix; `form` is where its parameters go."""

    url: str
    form: Form = "beside"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def echoes_prompt(self) -> bool:
        """Whether answers may begin with the prompt: always, since the model's own settings decide."""
        return True

    @property
    def raw_prompt(self) -> bool:
        """Whether the model gets the prompt as it is: always."""
        return True

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """A POST of `text_input` with the parameters beside it or as JSON text."""
        limit = {} if max_tokens is None else {"max_tokens": max_tokens}
        parameters = {**self.parameters, **limit}
        body: dict[str, Any] = {"text_input": prompt}
        if self.form == "sampling_parameters":
            body |= {name: parameters.pop(name) for name in _TENSORS if name in parameters}
            body["sampling_parameters"] = json.dumps(parameters)
        else:
            body |= parameters
        body |= {"stream": True} if self.stream else {}
        parts = urlsplit(self.url)
        path = parts.path.rstrip("/").removesuffix("_stream") + ("_stream" if self.stream else "")
        accept = "text/event-stream" if self.stream else "application/json"
        return json_request(urlunsplit(parts._replace(path=path)), body, self.headers, self.api_key, accept)

    def decode(self, response: HttpResponse) -> Completion:
        """The output text, whole or in server-sent events, with the counts that the server was asked for."""
        return decoded(response, is_streamed(response), _read)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of one address. Where parameters go follows from the backend; without one, from the instance family."""
    backend = experiment.inference_spec.backend
    on_neuron = (experiment.instance_type or "").startswith(_NEURON_FAMILIES)
    as_text = backend in _PARAMETERS_AS_TEXT or (backend is None and on_neuron)
    return TritonPredictor(
        url,
        "sampling_parameters" if as_text else "beside",
        stream=stream,
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
    )


def _read(response: HttpResponse, answer: Answer) -> None:
    answer.open_ended = True  # its end is not announced
    counts: list[int] = []

    def take(message: dict[str, Any], end_offset: int, answer: Answer) -> None:
        _take(message, end_offset, answer)
        tokens = count(message.get("num_output_tokens"))
        if tokens is not None:
            counts.append(tokens)

    read_messages(response, answer, pieces_of(response), take, needed="text_output")
    answer.add_counts(completion_tokens=_tokens_of(counts))


def _take(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    if answer.failed_by(message):
        return
    answer.response_id = answer.response_id or text(message.get("id")) or None
    answer.add_text(message.get("text_output"), end_offset)
    answer.finish(message.get("finish_reason"))
    answer.add_counts(prompt_tokens=message.get("num_input_tokens"))


def _tokens_of(counts: list[int]) -> int | None:
    """The tokens of an answer from the counts in its messages: of each, or of all so far where they only grow."""
    if not counts:
        return None
    so_far = len(counts) >= _LEAST_MESSAGES and all(before < after for before, after in pairwise(counts))
    return counts[-1] if so_far else sum(counts)
