"""What a message or delta of a chat says: answer, reasoning, and content that is not text.

Whatever a person would call content is content, since each of it was generated token by token: text, parts of text,
refusals, calls of tools and functions, sound and images.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fmbench_lib.predictors.answer import text

_ANSWER = ("content", "text", "refusal")
_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_text")
_REASONING_LISTS = ("reasoning_details", "thinking_blocks")
_MEDIA = ("audio", "images", "image", "video")
_THOUGHTS = ("thinking", "reasoning", "reasoning.text", "reasoning.summary", "reasoning_text", "summary_text")
"""Types of parts that are reasoning: Mistral's, OpenRouter's, those of the Responses API."""
_MOST_NESTED = 4
_ALL_ANSWER = frozenset((*_ANSWER, "tool_calls", "function_call", "audio"))
_ALL_REASONING, _ALL_MEDIA = frozenset((*_REASONING, *_REASONING_LISTS)), frozenset(_MEDIA)
"""Most deltas have none of these beside their content, which one look tells."""


def answer_text(delta: Mapping[str, Any]) -> str:
    """The text of the answer in a delta: the first of its fields that has some, else its calls, else its transcript."""
    content = delta.get("content")
    if isinstance(content, str) and content:
        return text(content)
    if isinstance(content, int | float) and not isinstance(content, bool):
        return str(content)  # a number without its quotes
    if _ALL_ANSWER.isdisjoint(delta):
        return ""
    for key in _ANSWER:
        value = delta.get(key)
        if value and (words := text(value) or _parts_text(value, reasoning=False)):
            return words
    return (
        tool_text(delta.get("tool_calls"))
        or tool_text([{"function": delta["function_call"]}] if "function_call" in delta else None)
        or _transcript(delta.get("audio"))
    )


def reasoning_text(delta: Mapping[str, Any]) -> str:
    """The text of the reasoning in a delta."""
    content = delta.get("content")
    if _ALL_REASONING.isdisjoint(delta):
        return _parts_text(content, reasoning=True) if isinstance(content, list | dict) else ""
    for key in _REASONING:
        value = delta.get(key)
        if value and (words := text(value) or _all_text(value)):
            return words
    for key in _REASONING_LISTS:
        if (value := delta.get(key)) and (words := _all_text(value)):
            return words
    return _parts_text(content, reasoning=True)


def tool_text(calls: Any) -> str:
    """The text of calls of tools, which are generated tokens like other content."""
    calls = [calls] if isinstance(calls, dict) else calls
    if not isinstance(calls, list):
        return ""
    return "".join(_call_text(call) for call in calls if isinstance(call, dict))


def is_media(delta: Mapping[str, Any]) -> bool:
    """Whether a delta has sound or images."""
    return not _ALL_MEDIA.isdisjoint(delta) and any(_has_data(delta.get(key)) for key in _MEDIA)


def _call_text(call: Mapping[str, Any]) -> str:
    function = call.get("function") or call.get("custom") or call
    if not isinstance(function, dict):
        return ""
    arguments = function.get("arguments", function.get("input"))
    written = text(arguments) if arguments is None or isinstance(arguments, str) else json.dumps(arguments)
    return text(function.get("name")) + written


def _transcript(audio: Any) -> str:
    return text(audio.get("transcript")) if isinstance(audio, dict) else ""


def _has_data(value: Any) -> bool:
    if isinstance(value, dict):
        return any(isinstance(value.get(key), str) and value[key] for key in ("data", "url", "b64_json", "image_url"))
    return bool(value) and isinstance(value, list | str)


def _parts_text(parts: Any, *, reasoning: bool) -> str:
    """The text of those parts of a list that are reasoning, or of those that are not; a part alone is a list of one."""
    parts = [parts] if isinstance(parts, dict) else parts
    if not isinstance(parts, list):
        return ""
    return "".join(_all_text(part) for part in parts if _is_thought(part) is reasoning)


def _is_thought(part: Any) -> bool:
    return isinstance(part, dict) and (part.get("type") in _THOUGHTS or "thinking" in part)


def _all_text(value: Any, depth: int = 0) -> str:
    """The text in a part, or in a list of them, however deep it lies."""
    if isinstance(value, str):
        return text(value)
    if depth > _MOST_NESTED:
        return ""
    if isinstance(value, list):
        return "".join(_all_text(entry, depth + 1) for entry in value)
    if isinstance(value, dict):
        for key in ("text", "thinking", "content", "summary", "refusal", "reasoning"):
            if words := _all_text(value.get(key), depth + 1):
                return words
    return ""
