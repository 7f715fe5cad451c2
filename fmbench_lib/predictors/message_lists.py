"""Prompts that are lists of messages: which codecs send them as such.

A codec that can has the two methods of `SendsMessages` beside `encode`. Others are given the conversation as one text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from fmbench_lib.predictors.base import HttpRequest, Predictor

Messages: TypeAlias = Sequence[Mapping[str, Any]]
"""OpenAI's messages: `role`, and `content` that is text, or parts of text and images."""


@runtime_checkable
class SendsMessages(Protocol):
    """A codec that sends messages as they are."""

    def takes_messages(self, messages: Messages) -> bool:
        """Whether this endpoint's requests can hold these messages."""
        ...

    def encode_messages(self, messages: Messages, max_tokens: int | None = None) -> HttpRequest:
        """The request for the answer to `messages`; `max_tokens` overrides the experiment's own limit."""
        ...


def takes(predictor: Predictor, messages: Messages) -> bool:
    """Whether a codec sends these messages as messages."""
    return isinstance(predictor, SendsMessages) and predictor.takes_messages(messages)


def request_of(predictor: Predictor, row: Mapping[str, Any], max_tokens: int | None) -> HttpRequest:
    """The request of a row of a payload file: its messages where it has some and the codec can, else its prompt."""
    messages = row.get("messages")
    if messages and isinstance(predictor, SendsMessages) and predictor.takes_messages(messages):
        return predictor.encode_messages(messages, max_tokens)
    return predictor.encode(row["prompt"], max_tokens)


def only_text(messages: Messages) -> bool:
    """Whether all contents are text and all roles those of a plain conversation."""
    return all(
        isinstance(message["content"], str) and message["role"] in ("system", "user", "assistant")
        for message in messages
    )
