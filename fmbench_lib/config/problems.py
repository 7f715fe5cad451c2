"""Problems and notices about a config, one line each: the key's path, what is wrong, what to write instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fmbench_lib.config.secret_forms import without_secrets
from fmbench_lib.errors import InputError

_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake. `key` is a path such as `experiments[0].ep_name`, empty for the file as a whole.

    `asks_for` names the placeholder without a value, if that is all that is wrong.
    """

    key: str
    message: str
    asks_for: str | None = None

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


@dataclass(frozen=True, slots=True)
class Notice:
    """Something accepted that the user should know: an ignored key, a duplicate, a renamed experiment."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


class ConfigError(InputError):
    """A config that cannot be used; its text is one line for each of its `problems`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def merged(notices: Iterable[Notice]) -> list[Notice]:
    """Notices for display: those with the same message become one that lists all their keys."""
    keys: dict[str, list[str]] = {}
    for notice in notices:
        keys.setdefault(notice.message, []).append(notice.key)
    return [Notice(", ".join(filter(None, of)), message) for message, of in keys.items()]


def joined(path: str, key: str | int) -> str:
    """The path of a key, or of a list item, below `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def shown(value: Any) -> str:
    """A value as messages quote it: short, on one line."""
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = " ".join(repr(without_secrets(value)).split()) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def alternatives(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
