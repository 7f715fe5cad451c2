"""The JSON objects that serving containers answer with, whole or streamed: TGI, LMI, chat completions, vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fmbench_lib.predictors.answer import Answer, text
from fmbench_lib.predictors.aws_wire import within
from fmbench_lib.predictors.generate import failed, take_details
from fmbench_lib.predictors.openai import take_openai
from fmbench_lib.predictors.vectors import holds_vectors


@dataclass(slots=True)
class Marked:
    """Adds text to an answer, without what comes before `start_token` and from `stop_token` on.

    A stop token may be split over several events. Those with its beginning are already in the answer when the rest
    arrives, and are shortened then; all others keep their text and offset. `tail` is the end of the text so far.
    `ended` says whether the message that ends a stream has come; None if the stream's format has no such message.
    """

    answer: Answer
    start_token: str | None = None
    stop_token: str | None = None
    begun: bool = False
    stopped: bool = False
    tail: str = ""
    ended: bool | None = None

    def add_text(self, content: Any, end_offset: int) -> None:
        """Add a piece of text, as far as it is between the tokens."""
        if self.stopped:
            return
        words = text(content)
        if self.start_token and not self.begun:
            before, token, after = words.partition(self.start_token)
            words = after if token else before
        self.begun = self.begun or bool(words)
        self.answer.add_text(self._before_stop(words), end_offset)

    def mark_events_from(self, first: int) -> None:
        """Apply start and stop token to the answer's events from `first` on, which were added without them."""
        events = self.answer.events[first:]
        del self.answer.events[first:]
        for event in events:
            if event.text and not event.reasoning:
                self.add_text(event.text, event.end_offset)
            else:
                self.answer.events.append(event)

    def _before_stop(self, words: str) -> str:
        """The part of the next words before the stop token; its beginning in earlier events is removed."""
        if not self.stop_token:
            return words
        joined = self.tail + words
        position = joined.find(self.stop_token)
        if position < 0:
            self.tail = joined[max(0, len(joined) - len(self.stop_token) + 1) :]
            return words
        self.stopped = True
        self._take_back(len(self.tail) - position)
        return joined[len(self.tail) : position]

    def _take_back(self, length: int) -> None:
        """Remove `length` characters from the end of the answer, and events that lose all of their text."""
        events = self.answer.events
        for index in range(len(events) - 1, -1, -1):
            if length <= 0:
                return
            event = events[index]
            if event.text and not event.reasoning:
                shortened = event.text[:-length]
                length -= len(event.text)
                events[index : index + 1] = [event._replace(text=shortened)] if shortened else []


def take(message: Any, end_offset: int, marked: Marked) -> None:
    """Add one object of any container.

    :raises ValueError: it has none of their formats.
    """
    answer = marked.answer
    if isinstance(message, str):
        marked.add_text(message, end_offset)
    elif isinstance(message, list):
        if holds_vectors(message):
            answer.add_vector(end_offset)
    elif not isinstance(message, dict):
        raise ValueError(f"expected an object, not {str(message)[:80]!r}")
    elif "choices" in message or message.get("object") == "error":
        first = len(answer.events)
        take_openai(message, end_offset, answer)
        marked.mark_events_from(first)
        marked.ended = answer.finish_reason is not None
    elif not failed(message, answer):
        if holds_vectors(message.get("embedding", message.get("embeddings"))):
            answer.add_vector(end_offset)
        _take_text(message, end_offset, marked)
        take_details(message, answer)
        if message.get("generated_text") is not None or isinstance(message.get("details"), dict):
            marked.ended = answer.done = True
        elif isinstance(message.get("token"), dict):
            marked.ended = bool(marked.ended)


def _take_text(message: dict[str, Any], end_offset: int, marked: Marked) -> None:
    token = message.get("token")
    outputs = message.get("outputs")
    if isinstance(token, dict):  # in a stream, whose last object repeats the whole text
        if not (token.get("special") or token.get("special_token")):
            marked.add_text(token.get("text"), end_offset)
    elif outputs is not None:  # older LMI
        marked.add_text("".join(map(text, outputs)) if isinstance(outputs, list) else outputs, end_offset)
    elif not (marked.answer.streamed and marked.answer.events):  # else it repeats the whole text
        content = message.get("generated_text", message.get("generation", message.get("predicted_label")))
        marked.add_text(within(content, "content") or content, end_offset)
