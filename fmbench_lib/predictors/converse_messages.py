"""Blocks of content, events and token counts of Converse, which Nova sends by InvokeModel too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fmbench_lib.images import parts_of
from fmbench_lib.predictors.answer import Answer, count, text
from fmbench_lib.predictors.aws_wire import within

NOT_SENT = ("stream", "caching", "use_boto3")
"""Settings of the client library of FMBench 2.x, which are not parameters of the model."""


def makes_vectors(url: str, model: str | None) -> bool:
    """Whether the model of an address, or the one behind it, is an embedding model."""
    return any(re.search(r"[./-]embed\b", name) is not None for name in (url, model or ""))


def content_blocks(prompt: str) -> list[dict[str, Any]]:
    """A prompt's texts and images as content blocks of Converse and Nova."""
    return [
        {"text": part}
        if isinstance(part, str)
        else {"image": {"format": part.format, "source": {"bytes": part.base64}}}
        for part in parts_of(prompt)
    ]


def take_converse_event(event: str, payload: Mapping[str, Any], end_offset: int, answer: Answer) -> None:
    """Add one event of a stream. Nova's own streams consist of the same events, one level down."""
    if event == "contentBlockDelta":
        take_block(payload.get("delta"), end_offset, answer)
    elif event == "messageStop":
        answer.finish_reason = text(payload.get("stopReason")) or None
        answer.done = True
    elif event == "metadata":
        take_usage(payload.get("usage"), answer)


def take_block(block: Any, end_offset: int, answer: Answer) -> None:
    """Add a block of content or a piece of one: text, reasoning or the input of a tool."""
    reasoning = within(block, "reasoningContent", "text") or within(block, "reasoningContent", "reasoningText", "text")
    answer.add_text(reasoning, end_offset, reasoning=True)
    given = within(block, "toolUse", "input")
    answer.add_text(given if given is None or isinstance(given, str) else json.dumps(given), end_offset)
    answer.add_text(within(block, "text"), end_offset)


def take_usage(usage: Any, answer: Answer) -> None:
    """Add token counts as Converse and Nova send them; `inputTokens` does not include cached prompt tokens."""
    if isinstance(usage, dict):
        cached = count(usage.get("cacheReadInputTokens"))
        written = count(usage.get("cacheWriteInputTokens"))
        given = count(usage.get("inputTokens"))
        answer.prompt_tokens = None if given is None else given + (cached or 0) + (written or 0)
        answer.completion_tokens = count(usage.get("outputTokens"))
        answer.cached_tokens = cached
