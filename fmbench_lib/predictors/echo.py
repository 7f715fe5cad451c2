"""Answers that begin with their prompt: how a prompt is recognised without being kept, and how it is taken off."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from fmbench_lib.predictors.base import Completion, Event

_HEAD = 24
_BEFORE = re.compile(r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<\|startoftext\|>|<\|endoftext\|>)?\s*")
"""What may come before an echo: white space and the token that begins a text."""


@dataclass(frozen=True, slots=True)
class PromptMark:
    """A prompt's first characters, its length in characters, and the hash of the whole; white space around it does not
    count, since servers take it off."""

    head: str
    length: int
    digest: str

    @classmethod
    def of(cls, prompt: str) -> PromptMark:
        """The mark of a prompt."""
        prompt = prompt.strip()
        return cls(prompt[:_HEAD], len(prompt), _digest(prompt))

    def begins(self, text: str) -> bool:
        """Whether a text begins with the prompt."""
        return (
            len(text) >= self.length > 0 and text.startswith(self.head) and _digest(text[: self.length]) == self.digest
        )


def without_prompt(completion: Completion, mark: PromptMark) -> Completion:
    """A completion without the prompt at its beginning, in however many events it came; unchanged if it has none there.

    White space and a token that begins a text go with it.
    """
    text = completion.text
    if not text.startswith(mark.head):
        text = _BEFORE.sub("", text, count=1)
    if not mark.begins(text):
        return completion
    removed = len(completion.text) - len(text) + mark.length
    events = tuple(_shortened(completion.events, removed))
    shorter = replace(completion, text=completion.text[removed:], events=events, echoed=True)
    if events or completion.error_class is not None:
        return shorter
    return replace(shorter, error_class="empty", error_message="the response has nothing but the prompt")


def _shortened(events: tuple[Event, ...], removed: int) -> list[Event]:
    """The events without the first characters of their text; reasoning does not count."""
    kept = []
    for event in events:
        if event.reasoning or not removed or not event.text:
            kept.append(event)
            continue
        rest = event.text[removed:]
        removed = max(0, removed - len(event.text))
        if rest:
            kept.append(event._replace(text=rest))
    return kept


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
