"""Conversations in the cells of a data set: OpenAI's `messages`, and ShareGPT's `conversations`.

OpenAI's are sent whole, up to the last message that is not the assistant's: what stands after it is the answer. Of a
ShareGPT conversation the first turn of the user is sent, with the system message before it, as vLLM's own benchmark
does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from fmbench_lib.images import Image, parts_of

Message: TypeAlias = dict[str, Any]
"""A message as it is sent: `role`, `content` (text, or parts of text and images), and what else the data has."""

COLUMNS = ("messages", "conversations", "conversation")
"""Names of columns of conversations."""
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_SPEAKERS = {"human": "user", "user": "user", "system": "system", "gpt": "assistant", "assistant": "assistant"} | (
    dict.fromkeys(("chatgpt", "bing", "bard", "model"), "assistant") | {"tool": "tool", "observation": "tool"}
)
"""ShareGPT's names of those who speak, each with the role that it means."""


def is_conversation(value: Any) -> bool:
    """Whether a cell looks like a conversation: objects, or their JSON text, with `role` or `from`."""
    parsed = _parsed(value)
    first = parsed[0] if isinstance(parsed, list) and parsed else None
    return isinstance(first, Mapping) and not {"role", "from"}.isdisjoint(first)


def messages_of_cell(value: Any) -> list[Message]:
    """The messages that a cell's conversation asks with; none where nobody asks: it is empty, or has no user.

    :raises ValueError: it is no conversation; the text says what is there instead.
    """
    turns = [] if value is None else _parsed(value)
    if not isinstance(turns, list):
        raise ValueError(f"{_shown(value)} instead of a list of messages")
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, Mapping):
            raise ValueError(f"message {number} is {_shown(turn)} instead of an object with role and content")
    if turns and "from" in turns[0] and "role" not in turns[0]:
        return _first_turn([_of_sharegpt(turn, number) for number, turn in enumerate(turns, 1)])
    return _asking([_of_openai(turn, number) for number, turn in enumerate(turns, 1)])


def as_text(messages: Sequence[Message]) -> str:
    """The messages as one text: a single user's is its content, others are told apart by their roles.

    Images are in it as data URLs.
    """
    if len(messages) == 1 and messages[0]["role"] == "user":
        return text_of(messages[0]["content"])
    return "\n\n".join(f"{message['role']}: {text_of(message['content'])}" for message in messages)


def contents_of(messages: Sequence[Message]) -> str:
    """The contents alone, which is what a tokenizer counts: roles and template are the model's."""
    return "\n".join(text_of(message["content"]) for message in messages)


def text_of(content: Any) -> str:
    """The text of a message's content, with its images as data URLs at their places."""
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part["text"] if part["type"] == "text" else part["image_url"]["url"] for part in content)


def _parsed(value: Any) -> Any:
    """A cell's value; of JSON text, as tables hold it, what it says."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _of_openai(turn: Mapping[str, Any], number: int) -> Message:
    role = turn.get("role")
    if role not in _ROLES:
        raise ValueError(f"message {number} has the role {_shown(role)}; there are {', '.join(_ROLES)}")
    message = {name: value for name, value in turn.items() if value is not None}  # tables fill in what a row lacks
    if "content" not in message and not (role == "assistant" and {"tool_calls", "function_call"} & message.keys()):
        raise ValueError(f"message {number} has no content")
    return {**message, "content": _content(turn.get("content"), number)}


def _content(content: Any, number: int) -> Any:
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise ValueError(f"message {number} has {_shown(content)} as content; write text or a list of parts")
    return [_part(part, f"message {number}, part {place}") for place, part in enumerate(content, 1)]


def _part(part: Any, where: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    image = part.get("image_url") if kind == "image_url" else None
    url = image.get("url") if isinstance(image, Mapping) else image
    if isinstance(url, str):
        if not _is_image(url):
            raise ValueError(f"{where} has the image {_shown(url)}; write a data URI: data:image/png;base64,…")
        more = {"detail": image["detail"]} if isinstance(image, Mapping) and image.get("detail") else {}
        return {"type": "image_url", "image_url": {"url": url, **more}}
    raise ValueError(f"{where} is {_shown(part)}; parts are text (type, text) and image_url")


def _is_image(url: str) -> bool:
    parts = parts_of(url)
    return len(parts) == 1 and isinstance(parts[0], Image) and parts[0].data_url == url


def _of_sharegpt(turn: Mapping[str, Any], number: int) -> Message:
    speaker, value = turn.get("from"), turn.get("value")
    role = _SPEAKERS.get(str(speaker).casefold())
    if role is None:
        raise ValueError(f"turn {number} is from {_shown(speaker)}; there are {', '.join(_SPEAKERS)}")
    if not isinstance(value, str):
        raise ValueError(f"turn {number} has {_shown(value)} as value; write text")
    return {"role": role, "content": value}


def _first_turn(messages: Sequence[Message]) -> list[Message]:
    """The first message of the user, behind the system message, if one stands before it."""
    index = next((index for index, message in enumerate(messages) if message["role"] == "user"), None)
    if index is None:
        return []
    system = [message for message in messages[:index] if message["role"] == "system"]
    return [*system, messages[index]]


def _asking(messages: Sequence[Message]) -> list[Message]:
    """The messages up to the last that is not the assistant's."""
    last = max((index for index, message in enumerate(messages) if message["role"] != "assistant"), default=None)
    if last is None or all(message["role"] in ("system", "developer") for message in messages[: last + 1]):
        return []
    return list(messages[: last + 1])


def _shown(value: Any) -> str:
    """A value as messages show it: its beginning, on one line."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = " ".join(text.split())
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}…"
