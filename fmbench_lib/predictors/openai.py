"""The OpenAI protocol: chat completions and completions, streamed (server-sent events) or not, and embeddings.

vLLM, SGLang, llama.cpp, NIM, TGI's messages API and many others speak it. What they add to the body are parameters of
the experiment, sent as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fmbench_lib.images import chat_content
from fmbench_lib.predictors.answer import (
    Answer,
    content_type,
    decoded,
    is_streamed,
    json_request,
    parsed,
    pieces_of,
    read_messages,
    take_trailing_counts,
    text,
)
from fmbench_lib.predictors.base import Completion, Event, HttpRequest, HttpResponse, Predictor, Sent
from fmbench_lib.predictors.chat_content import answer_text, is_media, reasoning_text
from fmbench_lib.predictors.message_lists import Messages
from fmbench_lib.predictors.openai_advice import with_advice, wrong_path
from fmbench_lib.predictors.repeated_messages import Repeats
from fmbench_lib.predictors.server_errors import fails_beside_choices, message_of
from fmbench_lib.predictors.streams import form_of, is_end, is_event_text, next_sse_data, sse_data, with_line_feeds
from fmbench_lib.predictors.usage import take_usage
from fmbench_lib.predictors.vectors import holds_vectors

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

_FEW_CHOICES = 2


@dataclass(frozen=True, slots=True)
class OpenAiPredictor:
    """Codec for one endpoint address, whose path decides the request format."""

    url: str
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = True
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """A POST of `messages`, `prompt` or `input`, by the path of the address."""
        if self.takes_texts():
            return self._embed(prompt)
        if self.takes_messages([]):
            return self.encode_messages([{"role": "user", "content": chat_content(prompt)}], max_tokens)
        return self._request({"prompt": prompt}, max_tokens)

    @property
    def raw_prompt(self) -> bool:
        """Whether the model gets the prompt as it is: wherever it is neither a chat's message nor embedded."""
        return not self.takes_messages([]) and not self.takes_texts()

    @property
    def generates_nothing(self) -> bool:
        """Whether answers are embeddings."""
        return self.takes_texts()

    def takes_texts(self) -> bool:
        """Whether the address is that of embeddings, which takes several texts."""
        return self._path.endswith("/embeddings")

    def encode_texts(self, texts: Sequence[str]) -> HttpRequest:
        """A POST of all texts as one `input`."""
        return self._embed(list(texts))

    def takes_documents(self) -> bool:
        """Whether documents can be ranked: by the nearness of their vectors to that of the query."""
        return self.takes_texts()

    def encode_documents(self, query: str, documents: Sequence[str]) -> HttpRequest:
        """A POST of the query and the documents as one `input`."""
        return self._embed([query, *documents])

    def _embed(self, texts: str | list[str]) -> HttpRequest:
        body = self._named | {"input": texts, **self.parameters}
        return json_request(self.url, body, self.headers, self.api_key, "application/json")

    def takes_messages(self, messages: Messages) -> bool:
        """Whether the address is that of chat completions, which takes any messages."""
        return self._path.endswith("/chat/completions")

    def encode_messages(self, messages: Messages, max_tokens: int | None = None) -> HttpRequest:
        """A POST of the messages as they are."""
        return self._request({"messages": list(messages)}, max_tokens)

    @property
    def _path(self) -> str:
        return urlsplit(self.url).path.rstrip("/")

    @property
    def _named(self) -> dict[str, Any]:
        return {} if self.model is None else {"model": self.model}

    def _request(self, asked: Mapping[str, Any], max_tokens: int | None) -> HttpRequest:
        body = {**self._named, **asked, **self.parameters}
        if max_tokens is not None:
            body["max_completion_tokens" if "max_completion_tokens" in body else "max_tokens"] = max_tokens
        body["stream"] = self.stream
        options = body.pop("stream_options", {})
        if self.stream and options is not None:  # null: the server does not know the option
            body["stream_options"] = {"include_usage": True, **options}
        accept = "text/event-stream" if self.stream else "application/json"
        return json_request(self.url, body, self.headers, self.api_key, accept)

    def decode(self, response: HttpResponse) -> Completion:
        """The contents of choices or vectors, whole or in server-sent events, with the server's usage."""
        return with_advice(self._without_counter(decoded(response, is_streamed(response), read_openai)))

    def _without_counter(self, completion: Completion) -> Completion:
        """The completion with one choice where one was asked for, and `index` counts messages in place of choices."""
        if _FEW_CHOICES < completion.choices >= len(completion.events) and self.parameters.get("n", 1) in (None, 1):
            return replace(completion, choices=1)
        return completion

    @property
    def wrong_path(self) -> str | None:
        """Why the address is none of this protocol, and what to use; None for one that is or may be."""
        return wrong_path(self.url)


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> Predictor:
    """The codec of one address."""
    return OpenAiPredictor(
        url,
        model,
        stream=stream,
        parameters=sent.parameters,
        api_key=sent.api_key,
        headers=sent.headers,
    )


def read_openai(response: HttpResponse, answer: Answer) -> None:
    """Add a whole or streamed answer.

    :raises ValueError: it is neither.
    """
    if not answer.streamed:
        if response.complete:
            take_openai(json.loads(response.body), len(response.body), answer)
        return
    if not is_event_text(response.body) and form_of(content_type(response), response.body) == "lines":
        read_messages(response, answer, pieces_of(response), take_openai)
    else:
        _read_events(with_line_feeds(response.body), answer, complete=response.complete)
    answer.done = answer.done or answer.finish_reason is not None  # not every server sends [DONE]


def _read_events(body: bytes, answer: Answer, *, complete: bool) -> None:
    repeats, end_offset = Repeats(body, take_openai), 0
    while (event := next_sse_data(body, end_offset, complete=complete)) is not None:
        end_offset, data = event
        if is_end(data):
            answer.done = True
            if answer.is_over():
                take_trailing_counts(sse_data(body, end_offset, complete=complete), answer, take_openai)
                return
            continue
        take_openai(parsed(data, answer), end_offset, answer)
        if answer.error is not None or answer.is_too_long():
            return
        if alike := repeats.following(data, end_offset, answer):
            answer.events += alike
            end_offset = alike[-1].end_offset


def take_openai(message: Any, end_offset: int, answer: Answer) -> None:
    """Add one JSON object that ends at `end_offset`.

    :raises ValueError: it does not have the protocol's form.
    """
    if answer.error is not None:
        return
    if not isinstance(message, dict):
        raise ValueError(f"expected an object, not {json.dumps(message)[:80]}")
    choices = message.get("choices") or []
    if (not choices or message.get("error")) and answer.failed_by(message):
        return
    answer.response_id = answer.response_id or text(message.get("id")) or None
    _take_usage(message, answer)
    if not isinstance(choices, list):
        raise ValueError("`choices` is not a list")
    before = len(answer.events)
    for choice in choices:
        if not isinstance(choice, dict):
            raise ValueError("a choice is not an object")
        _take_choice(choice, end_offset, answer)
    if choices and len(answer.events) == before and fails_beside_choices(message):
        answer.fail("endpoint", message_of(message))
    if not choices and holds_vectors(message.get("data")):
        answer.add_vector(end_offset, message["data"])


def _take_usage(message: Mapping[str, Any], answer: Answer) -> None:
    take_usage(message.get("usage"), answer)
    groq = message.get("x_groq")
    if isinstance(groq, dict):
        take_usage(groq.get("usage"), answer)
    timings = message.get("timings")  # where llama.cpp reports how much of the prompt was cached
    if answer.cached_tokens is None and isinstance(timings, dict):
        answer.add_counts(cached_tokens=timings.get("cache_n"))


def _take_choice(choice: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    answer.finish(choice.get("finish_reason"))
    if choice.get("error"):
        answer.failed_by({"error": choice["error"]})
        return
    index = choice.get("index")
    if isinstance(index, int | float | str):
        answer.indexes.add(index)
    delta = choice.get("delta") or choice.get("message") or choice
    if not isinstance(delta, dict):
        raise ValueError("a choice has no object")
    for place in (choice, delta):
        if "usage" in place:
            take_usage(place["usage"], answer)
    content, reasoning = answer_text(delta), reasoning_text(delta)
    if not (content or reasoning) and "text" in choice:
        content = answer_text(choice)
    if reasoning and not (content and answer.streamed):  # both in one chunk arrive as one event
        answer.events.append(Event(end_offset, reasoning, reasoning=True))
    if content:
        answer.events.append(Event(end_offset, content))
    elif not reasoning and is_media(delta):
        answer.add_media(end_offset)
    elif not reasoning and delta.get("error"):
        answer.failed_by({"error": delta["error"]})
