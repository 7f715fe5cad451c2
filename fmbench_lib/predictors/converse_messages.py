"""Blocks of content, events and token counts of Converse, which Nova sends by InvokeModel too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fmbench_lib.images import parts_of
from fmbench_lib.predictors.answer import Answer
from fmbench_lib.predictors.aws_wire import within
from fmbench_lib.predictors.usage import count

NOT_SENT = ("stream", "caching", "use_boto3")
"""Settings of the client library of FMBench 2.x, which are not parameters of the model."""


def makes_vectors(url: str, model: str | None) -> bool:
    """Whether the model of an address, or the one behind it, is an embedding model."""
    return any(re.search(r"[./-]embed\b", name) is not None for name in (url, model or ""))


def counts_cached_inside(*names: str | None) -> bool:
    """Whether a model, by its id or address, counts cached tokens as part of its input: those of OpenAI."""
    return any(re.search(r"(?:^|[./])openai\.", name or "") is not None for name in names)


def content_blocks(prompt: str) -> list[dict[str, Any]]:
    """A prompt's texts and images as content blocks of Converse and Nova."""
    return [
        {"text": part}
        if isinstance(part, str)
        else {"image": {"format": part.format, "source": {"bytes": part.base64}}}
        for part in parts_of(prompt)
    ]


def take_converse_event(
    event: str, payload: Mapping[str, Any], end_offset: int, answer: Answer, *, cached_inside: bool = False
) -> None:
    """Add one event of a stream. Nova's own streams consist of the same events, one level down."""
    if event == "contentBlockDelta":
        take_block(payload.get("delta"), end_offset, answer)
    elif event == "messageStop":
        answer.finish(payload.get("stopReason"))
        answer.done = True
    elif event == "metadata":
        take_usage(payload.get("usage"), answer, cached_inside=cached_inside)


def take_block(block: Any, end_offset: int, answer: Answer) -> None:
    """Add a block of content or a piece of one: text, reasoning or the input of a tool."""
    reasoning = within(block, "reasoningContent", "text") or within(block, "reasoningContent", "reasoningText", "text")
    answer.add_text(reasoning, end_offset, reasoning=True)
    given = within(block, "toolUse", "input")
    answer.add_text(given if given is None or isinstance(given, str) else json.dumps(given), end_offset)
    answer.add_text(within(block, "text"), end_offset)


def take_usage(usage: Any, answer: Answer, *, cached_inside: bool = False) -> None:
    """Add token counts as Converse and Nova send them."""
    if isinstance(usage, dict):
        counts = [usage.get(name) for name in ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")]
        made, total = usage.get("outputTokens"), usage.get("totalTokens")
        answer.add_counts(
            prompt_tokens=prompt_with_cached(counts, made, total, inside=cached_inside),
            completion_tokens=made,
            total_tokens=total,
            cached_tokens=counts[1],
            cache_write_tokens=counts[2],
        )


def prompt_with_cached(counts: Sequence[Any], made: Any, total: Any, *, inside: bool) -> int | None:
    """The whole prompt's tokens from a model's counts of it, of what was read from its cache and written to it.

    The first of the three `counts` has the cached tokens inside for models of OpenAI, and not for those of others. The
    total tells, where it is one of the two sums; else `inside`.
    """
    prompt, cached = count(counts[0]), sum(count(number) or 0 for number in counts[1:])
    if prompt is None:
        return None
    if count(total) is not None and cached:
        if total == prompt + (count(made) or 0):
            return prompt
        if total == prompt + cached + (count(made) or 0):
            return prompt + cached
    return prompt if inside and prompt >= cached else prompt + cached
