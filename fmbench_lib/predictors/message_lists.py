"""Prompts that are more than one text: which codecs send them as such.

A codec that can has the two methods of `SendsMessages`, `SendsTexts` or `SendsDocuments` beside `encode`. Others are
given a conversation as one text; several texts, or documents to rank, they cannot send.
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


@runtime_checkable
class SendsTexts(Protocol):
    """A codec that embeds several texts with one request."""

    def takes_texts(self) -> bool:
        """Whether this endpoint's requests can hold several texts."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> HttpRequest:
        """The request for the embeddings of `texts`."""
        ...


@runtime_checkable
class SendsDocuments(Protocol):
    """A codec that has documents ranked for a query."""

    def takes_documents(self) -> bool:
        """Whether this endpoint ranks documents, or embeds them."""
        ...

    def encode_documents(self, query: str, documents: Sequence[str]) -> HttpRequest:
        """The request for the relevance of each of `documents`."""
        ...


def takes_row(predictor: Predictor, row: Mapping[str, Any]) -> bool:
    """Whether a codec can send a row that has several texts, or documents; true of any other row."""
    if row.get("documents"):
        return isinstance(predictor, SendsDocuments) and predictor.takes_documents()
    return not row.get("texts") or (isinstance(predictor, SendsTexts) and predictor.takes_texts())


def takes(predictor: Predictor, messages: Messages) -> bool:
    """Whether a codec sends these messages as messages."""
    return isinstance(predictor, SendsMessages) and predictor.takes_messages(messages)


def request_of(predictor: Predictor, row: Mapping[str, Any], max_tokens: int | None) -> HttpRequest:
    """The request of a row of a payload file: its texts or documents, its messages where the codec can, else its
    prompt."""
    if row.get("documents") and isinstance(predictor, SendsDocuments):
        return predictor.encode_documents(row["prompt"], row["documents"])
    if row.get("texts") and isinstance(predictor, SendsTexts):
        return predictor.encode_texts(row["texts"])
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
