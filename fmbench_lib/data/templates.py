"""Prompt templates: text in which `{column}` stands for a row's value. All other braces are text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fmbench_lib.errors import TemplateError

_FIELD = re.compile(r"\{(\w+)\}")


def read_template(path: Path) -> str:
    """The text of a template file, without the line end that closes it. Raises TemplateError where there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TemplateError(f"prompt template {path.name} is missing; looked for it at {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"prompt template {path} cannot be read: {error}") from error
    return text.removesuffix("\n")


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the columns whose `{name}` in it is replaced."""

    text: str
    keys: tuple[str, ...]
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = "|".join(re.escape(key) for key in self.keys)
        object.__setattr__(self, "_pattern", re.compile(rf"\{{({names})\}}"))

    @property
    def unused_keys(self) -> tuple[str, ...]:
        """Keys that the text has no place for."""
        return tuple(key for key in self.keys if f"{{{key}}}" not in self.text)

    def render(self, row: Mapping[str, Any]) -> str:
        """The prompt of a row, in one pass: braces in a value are text. Raises KeyError for a column it lacks."""
        return self._pattern.sub(lambda found: _text(row[found[1]]), self.text)


def make_template(text: str, keys: Sequence[str] | None = None) -> Template:
    """A template with these keys, or with every `{word}` that it has.

    Raises TemplateError where it has a place for none of them: all prompts would be the same.
    """
    made = Template(text, tuple(dict.fromkeys(keys if keys is not None else _FIELD.findall(text))))
    if len(made.unused_keys) == len(made.keys):
        wanted = f"none of {', '.join(f'{{{key}}}' for key in made.keys)}" if made.keys else "no {column}"
        raise TemplateError(
            f"the prompt template has {wanted}, so that all prompts would be the same; write the data set's columns in "
            "braces into it and name them in datasets.prompt_template_keys"
        )
    return made


def _text(value: Any) -> str:
    """A column's value as it stands in a prompt: texts as they are, nothing for null, all else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
