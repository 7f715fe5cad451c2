"""llama.cpp's own `/completion`, streamed as server-sent events or in one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fmbench_lib.predictors.answer import Answer, decoded, is_streamed, is_true, json_request, pieces_of, read_messages
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment


@dataclass(frozen=True, slots=True)
class LlamaCppPredictor:
    """Codec for one address."""

    url: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def raw_prompt(self) -> bool:
        """Whether the model gets the prompt as it is: always; its chats are spoken to by OpenAI's protocol."""
        return True

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """A POST of `prompt` with the parameters beside it."""
        limit = {} if max_tokens is None else {"n_predict": max_tokens}
        body = {"prompt": prompt, **self.parameters, **limit, "stream": self.stream}
        accept = "text/event-stream" if self.stream else "application/json"
        return json_request(self.url, body, self.headers, self.api_key, accept)

    def decode(self, response: HttpResponse) -> Completion:
        """The content, whole or in server-sent events, with the server's counts and timings."""
        return decoded(response, is_streamed(response), _read)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of one address."""
    return LlamaCppPredictor(
        url,
        stream=stream,
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
    )


def _read(response: HttpResponse, answer: Answer) -> None:
    read_messages(response, answer, pieces_of(response), _take, needed="content")


def _take(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    if answer.failed_by(message):
        return
    answer.add_text(message.get("content"), end_offset)
    if is_true(message.get("stop")):
        answer.done = True
        answer.finish_reason = "length" if message.get("stop_type") == "limit" else "stop"
        timings = message.get("timings")
        answer.add_counts(
            completion_tokens=message.get("tokens_predicted"),
            prompt_tokens=message.get("tokens_evaluated"),
            cached_tokens=timings.get("cache_n") if isinstance(timings, dict) else None,
        )
