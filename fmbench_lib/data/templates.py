"""Prompt templates: text in which `{column}` is replaced by a row's value. All other braces are plain text."""

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
    """The text of a template file without its final newline. Raises TemplateError where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TemplateError(f"cannot read the prompt template {path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"cannot read the prompt template {path}: {error}") from error
    return text.removesuffix("\n")


@dataclass(frozen=True, slots=True)
class Template:
    """A template and the columns whose `{name}` in it is replaced."""

    text: str
    keys: tuple[str, ...]
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = "|".join(re.escape(key) for key in self.keys) or "(?!)"
        object.__setattr__(self, "_pattern", re.compile(rf"\{{({names})\}}"))

    @property
    def unused_keys(self) -> tuple[str, ...]:
        """Keys that do not occur in the text."""
        return tuple(key for key in self.keys if f"{{{key}}}" not in self.text)

    @property
    def only_key(self) -> str | None:
        """The column that is the whole of the text, as in `{messages}`; None where there is more to it."""
        return next((key for key in self.keys if self.text.strip() == f"{{{key}}}"), None)

    def render(self, row: Mapping[str, Any]) -> str:
        """The prompt of a row; braces in a value are plain text. Raises KeyError for a column that the row lacks."""
        return self._pattern.sub(lambda match: _text(row[match[1]]), self.text)


def fields_of(text: str) -> list[str]:
    """The columns that a template uses: every `{word}` in it."""
    return _FIELD.findall(text)


def make_template(text: str, keys: Sequence[str] | None = None, *, constant: bool = False) -> Template:
    """A template with these keys, or with every `{word}` that it has.

    Raises TemplateError where the text uses none of them and may not be `constant`: all prompts would be the same.
    """
    template = Template(text, tuple(dict.fromkeys(keys if keys is not None else fields_of(text))))
    if not constant and len(template.unused_keys) == len(template.keys):
        wanted = f"none of {', '.join(f'{{{key}}}' for key in template.keys)}" if template.keys else "no {column}"
        raise TemplateError(
            f"the prompt template has {wanted}, so all prompts would be the same; write the data set's columns into it "
            "in braces and name them in datasets.prompt_template_keys"
        )
    return template


def _text(value: Any) -> str:
    """A column's value as it goes into a prompt: text as it is, nothing for null and NaN, which tables write for what
    they lack, anything else as JSON."""
    if value is None or value != value:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
