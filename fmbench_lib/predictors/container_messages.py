"""What serving containers say, each object of an answer or of its stream: TGI, LMI, chat completions, vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fmbench_lib.predictors.answer import Answer, text
from fmbench_lib.predictors.aws_wire import within
from fmbench_lib.predictors.generate import failed, take_details
from fmbench_lib.predictors.openai import take_openai


@dataclass(slots=True)
class Marked:
    """Where text goes: into the answer, without what stands before `start_token` and from `stop_token` on.

    A stop token may be cut over several events. Those with its beginning are in the answer by the time that the rest of
    it comes, and are shortened then: so all others keep their texts and places. `tail` is the end of the text so far.
    `ended` says whether the message came that ends a stream; None where the stream's form has no such message.
    """

    answer: Answer
    start_token: str | None = None
    stop_token: str | None = None
    begun: bool = False
    stopped: bool = False
    tail: str = ""
    ended: bool | None = None

    def say(self, content: Any, end_offset: int) -> None:
        """Add a piece of text."""
        if self.stopped:
            return
        words = text(content)
        if self.start_token and not self.begun:
            before, found, behind = words.partition(self.start_token)
            words = behind if found else before
        self.begun = self.begun or bool(words)
        self.answer.say(self._before_stop(words), end_offset)

    def say_again(self, first: int) -> None:
        """Take the text of those events of the answer from the `first` on that were put there without marks."""
        events = self.answer.events[first:]
        del self.answer.events[first:]
        for event in events:
            if event.text and not event.reasoning:
                self.say(event.text, event.end_offset)
            else:
                self.answer.events.append(event)

    def _before_stop(self, words: str) -> str:
        """What of the next words comes before the stop token; what of it stands in the answer is taken back."""
        if not self.stop_token:
            return words
        joined = self.tail + words
        place = joined.find(self.stop_token)
        if place < 0:
            self.tail = joined[max(0, len(joined) - len(self.stop_token) + 1) :]
            return words
        self.stopped = True
        self._take_back(len(self.tail) - place)
        return joined[len(self.tail) : place]

    def _take_back(self, length: int) -> None:
        """Shorten the text of the answer at its end; events that lose all of theirs go with it."""
        events = self.answer.events
        for place in range(len(events) - 1, -1, -1):
            if length <= 0:
                return
            event = events[place]
            if event.text and not event.reasoning:
                kept = event.text[:-length]
                length -= len(event.text)
                events[place : place + 1] = [event._replace(text=kept)] if kept else []


def take(said: Any, end_offset: int, marked: Marked) -> None:
    """Add one object of any container's; raises ValueError for what is none of their forms."""
    answer = marked.answer
    if isinstance(said, str):
        marked.say(said, end_offset)
    elif isinstance(said, list) and said:
        answer.add_vector(end_offset)
    elif not isinstance(said, dict):
        raise ValueError(f"an object was expected, not {str(said)[:80]!r}")
    elif "choices" in said or said.get("object") == "error":
        first = len(answer.events)
        take_openai(said, end_offset, answer)
        marked.say_again(first)
        marked.ended = answer.finish_reason is not None
    elif not failed(said, answer):
        if isinstance(said.get("embedding", said.get("embeddings")), list):
            answer.add_vector(end_offset)
        _take_text(said, end_offset, marked)
        take_details(said, answer)
        if said.get("generated_text") is not None or isinstance(said.get("details"), dict):
            marked.ended = True
        elif isinstance(said.get("token"), dict):
            marked.ended = bool(marked.ended)


def _take_text(said: dict[str, Any], end_offset: int, marked: Marked) -> None:
    token = said.get("token")
    outputs = said.get("outputs")
    if isinstance(token, dict):  # of a stream; its last object repeats the whole beside it
        if not (token.get("special") or token.get("special_token")):
            marked.say(token.get("text"), end_offset)
    elif outputs is not None:  # older LMI
        marked.say("".join(map(text, outputs)) if isinstance(outputs, list) else outputs, end_offset)
    elif not (marked.answer.streamed and marked.answer.events):  # else it is the whole again
        found = said.get("generated_text", said.get("generation", said.get("predicted_label")))
        marked.say(within(found, "content") or found, end_offset)
