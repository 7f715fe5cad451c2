"""Ollama: `/api/generate` and `/api/chat`, streamed as JSON lines or in one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fmbench_lib.images import text_and_images
from fmbench_lib.predictors.answer import (
    Answer,
    decoded,
    is_streamed,
    is_true,
    json_request,
    pieces_of,
    read_messages,
)
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.chat_content import answer_text
from fmbench_lib.predictors.message_lists import Messages, only_text

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment


@dataclass(frozen=True, slots=True)
class OllamaPredictor:
    """Codec for one address. The path decides which of the two request formats is used."""

    url: str
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """A POST of `prompt` or `messages`, images beside the text; a limit of tokens goes into `options`."""
        prompt, images = text_and_images(prompt)
        attached = {"images": images} if images else {}
        if self._is_chat:
            return self.encode_messages([{"role": "user", "content": prompt, **attached}], max_tokens)
        return self._request({"prompt": prompt, **attached}, max_tokens)

    def takes_messages(self, messages: Messages) -> bool:
        """Whether the address is that of a chat and the messages are text alone: Ollama has images elsewhere."""
        return self._is_chat and only_text(messages)

    def encode_messages(self, messages: Messages, max_tokens: int | None = None) -> HttpRequest:
        """A POST of the messages to `/api/chat`."""
        return self._request({"messages": list(messages)}, max_tokens)

    @property
    def raw_prompt(self) -> bool:
        """Whether the model gets the prompt as it is: with `raw`; else Ollama puts its own template around it."""
        return not self._is_chat and self.parameters.get("raw") is True

    @property
    def _is_chat(self) -> bool:
        return urlsplit(self.url).path.rstrip("/").endswith("/api/chat")

    def _request(self, asked: Mapping[str, Any], max_tokens: int | None) -> HttpRequest:
        body: dict[str, Any] = {} if self.model is None else {"model": self.model}
        body |= {**asked, **self.parameters}
        if max_tokens is not None:
            body["options"] = {**(body.get("options") or {}), "num_predict": max_tokens}
        body["stream"] = self.stream  # Ollama streams by default
        accept = "application/x-ndjson" if self.stream else "application/json"
        return json_request(self.url, body, self.headers, self.api_key, accept)

    def decode(self, response: HttpResponse) -> Completion:
        """The response or message, whole or in JSON lines, with the server's counts."""
        return decoded(response, is_streamed(response), _read)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of one address."""
    return OllamaPredictor(
        url,
        model,
        stream=stream,
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
    )


def _read(response: HttpResponse, answer: Answer) -> None:
    read_messages(response, answer, pieces_of(response), _take)


def _take(message: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    if answer.failed_by(message):
        return
    chat = message.get("message")
    flat = {"content": message.get("response"), "thinking": message.get("thinking")}
    piece = chat if isinstance(chat, dict) else flat
    content = answer_text(piece)
    if not (content and answer.streamed):  # both in one line arrive as one event
        answer.add_text(piece.get("thinking"), end_offset, reasoning=True)
    answer.add_text(content, end_offset)
    if is_true(message.get("done")):
        answer.done = True
        answer.finish(message.get("done_reason"))
        answer.add_counts(
            prompt_tokens=message.get("prompt_eval_count"),  # absent or 0 where the whole prompt was cached
            completion_tokens=message.get("eval_count"),
            cached_tokens=message.get("prompt_eval_cached_count"),
        )
