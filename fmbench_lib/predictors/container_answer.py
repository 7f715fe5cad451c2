"""What serving containers say, each object of an answer or of its stream: TGI, LMI, chat completions, vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fmbench_lib.predictors.answer import Answer, text
from fmbench_lib.predictors.aws import within
from fmbench_lib.predictors.generate import failed, take_details
from fmbench_lib.predictors.openai import take_openai


@dataclass(slots=True)
class Marked:
    """Where text goes: into the answer, without what stands before `start_token` and from `stop_token` on.

    `ended` says whether the message came that ends a stream; None where the stream's form has no such message.
    """

    answer: Answer
    start_token: str | None = None
    stop_token: str | None = None
    stopped: bool = False
    ended: bool | None = None

    def say(self, content: Any, end_offset: int) -> None:
        """Add a piece of text."""
        if self.stopped:
            return
        words = text(content)
        if self.start_token and self.start_token in words and not self.answer.events:
            words = words.partition(self.start_token)[2]
        if self.stop_token and self.stop_token in words:
            words = words.partition(self.stop_token)[0]
            self.stopped = True
        self.answer.say(words, end_offset)


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
        take_openai(said, end_offset, answer)
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
