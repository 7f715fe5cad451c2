"""Token counts as servers spell them, and what a zero, a total or a part of them means.

An absent count is not zero, and neither an absent nor a zero count erases one that is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fmbench_lib.predictors.answer import Answer

_PROMPT = ("prompt_tokens", "input_tokens")
_COMPLETION = ("completion_tokens", "output_tokens")
_CACHED = ("prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens", "num_cached_tokens")
"""Cached prompt tokens: DeepSeek, Anthropic's gateways, Moonshot, vLLM's metrics."""
_PROMPT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "prompt_token_details")
_COMPLETION_DETAILS = ("completion_tokens_details", "output_tokens_details", "completion_token_details")
_WRITTEN = ("cache_creation_input_tokens", "cache_write_input_tokens", "cache_write_tokens")
"""Prompt tokens written to the cache: Anthropic and its gateways, OpenRouter's details."""
_ALL_WRITTEN = frozenset((*_PROMPT_DETAILS, *_WRITTEN))
_ALL_CACHED = frozenset((*_PROMPT_DETAILS, *_CACHED))
_ALL_REASONING = frozenset((*_COMPLETION_DETAILS, "reasoning_tokens"))
_MOST_TOKENS = 2**53
_WHOLE = re.compile(r"\s*\+?([0-9]{1,15})(?:\.0*)?\s*")
"""A whole number in a string, as `5`, ` 5 ` or `5.0`."""


def count(value: Any) -> int | None:
    """The value if it is a valid number of tokens, else None. Whole numbers in strings and whole floats are too."""
    if isinstance(value, str):
        digits = _WHOLE.fullmatch(value)
        return None if digits is None else int(digits[1])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS else None


def take_usage(usage: Any, answer: Answer) -> None:
    """Add the counts of a `usage` object in the spellings of chat completions and their many imitations."""
    if not isinstance(usage, dict):
        return
    answer.add_counts(
        prompt_tokens=_first(usage, _PROMPT),
        completion_tokens=_first(usage, _COMPLETION),
        total_tokens=usage.get("total_tokens"),
        cached_tokens=cached_in(usage),
        cache_write_tokens=written_in(usage),
        reasoning_tokens=reasoning_in(usage),
    )


def cached_in(usage: Mapping[str, Any]) -> int | None:
    """Prompt tokens that a server took from its cache, in any known spelling; the largest, as some send a 0 too."""
    return _largest(usage, _ALL_CACHED, _PROMPT_DETAILS, "cached_tokens")


def written_in(usage: Mapping[str, Any]) -> int | None:
    """Prompt tokens that a server wrote to its cache, which some charge for, in any known spelling; the largest."""
    return _largest(usage, _ALL_WRITTEN, _PROMPT_DETAILS, "cache_write_tokens")


def reasoning_in(usage: Mapping[str, Any]) -> int | None:
    """Completion tokens that were reasoning, in any known spelling; the largest."""
    return _largest(usage, _ALL_REASONING, _COMPLETION_DETAILS, "reasoning_tokens")


def settle_counts(answer: Answer) -> frozenset[str]:
    """Replace counts of zero beside text, which are unknown, by what the other counts say; returns their sides.

    Nothing was counted where a guardrail answered in place of the model. Reasoning that the completion cannot hold was
    counted beside it, as xAI does, where the total has room for both.
    """
    if answer.finish_reason == "guardrail_intervened" or not any(event.text for event in answer.events):
        return frozenset()
    prompt, made, total = answer.prompt_tokens or None, answer.completion_tokens or None, answer.total_tokens or None
    reasoning = answer.reasoning_tokens or 0
    zero = {"prompt"} if answer.prompt_tokens == 0 else set()
    zero |= {"completion"} if answer.completion_tokens == 0 else set()
    if total is not None and prompt is not None and (made is None or reasoning > made) and total - prompt >= reasoning:
        made = total - prompt or None
    elif made is None:
        made = reasoning or None
    elif reasoning > made and total is not None and prompt is None and total > made + reasoning:
        made += reasoning
    if total is not None and made is not None and prompt is None and total > made:
        prompt = total - made
    answer.prompt_tokens, answer.completion_tokens = prompt, made
    return frozenset(zero)


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((usage[name] for name in names if count(usage.get(name)) is not None), None)


def _largest(usage: Mapping[str, Any], spellings: frozenset[str], sections: tuple[str, ...], name: str) -> int | None:
    """The largest of the counts under these `spellings`, in sections under `name`; None if there is none."""
    largest = None
    for key in spellings.intersection(usage):
        value = usage[key]
        if key in sections:
            value = value.get(name) if isinstance(value, dict) else None
        number = count(value)
        if number is not None and (largest is None or number > largest):
            largest = number
    return largest
