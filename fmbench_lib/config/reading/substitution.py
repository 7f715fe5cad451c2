"""Placeholders `{name}` in a config's text, filled in before the text is parsed as YAML.

A placeholder that has no value is kept as text. While the text is parsed its braces are exchanged for two marks of the
same width, since YAML would read `{name}` as a mapping; `restore` puts the braces back.

FMBench 2.x formats the whole text with `str.format`, where `{{` and `}}` are the only way to write a brace. A text that
could have been written for it, one without any brace but those and placeholders, is read in the same way; in all others
(such as one with a flow mapping, `{name: mine}`) braces stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

STANDARD = ("region", "role_arn", "write_bucket", "read_bucket", "read_tmpdir", "write_tmpdir")
"""Names that a run knows by itself, or from its command line."""

TEMPLATE_WORDS = frozenset({"ground_truth", "question", "context", "method_name"})
"""Names that belong to prompt templates and evaluation files; they are text in a config."""

_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: no config contains them, and YAML takes them for letters
_PLACEHOLDER = re.compile(r"\{\{\w+\}\}|\{([A-Za-z_]\w*)\}")
_FORMAT = re.compile(r"(?:[^{}]++|\{\{|\}\}|\{[A-Za-z_]\w*\})*+")
"""A text for `str.format` all of whose fields are bare names."""
_OF_FORMAT = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}")
_BRACES = {"{{": "{", "}}": "}"}
_MARK = re.compile(f"(?<!{_OPEN}){_OPEN}(\\w+){_CLOSE}(?!{_CLOSE})")


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace `{name}` for every name in `values`; mark the others. `{{name}}` is text."""

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return match.group(0).replace("{", _OPEN).replace("}", _CLOSE)
        return _value(name, values)

    return _PLACEHOLDER.sub(replacement, text)


def fill_file(text: str, values: Mapping[str, str]) -> str:
    """`fill` for the whole text of a file: one that could be FMBench 2.x's has each doubled brace made single.

    Both are done in one pass, so that neither a value nor the `{name}` that comes of `{{name}}` is looked at again.
    """
    if not _FORMAT.fullmatch(text):
        return fill(text, values)
    return _OF_FORMAT.sub(lambda match: _BRACES.get(match[0]) or _value(match[1], values), text)


def _value(name: str, values: Mapping[str, str]) -> str:
    return values.get(name, f"{_OPEN}{name}{_CLOSE}")


def known_values(arguments: Mapping[str, str], standard: Mapping[str, str]) -> dict[str, str]:
    """All values at hand; an argument comes before a standard value and may itself contain standard placeholders."""
    return {**standard, **{name: restore(fill(value, standard)) for name, value in arguments.items()}}


def restore(text: str) -> str:
    """Marks back to braces."""
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def marked(text: str) -> tuple[str, ...]:
    """The names of the placeholders that are still open in a piece of text."""
    return tuple(_MARK.findall(text))


def stands_for_value(text: str) -> str | None:
    """The name of the placeholder that an unquoted scalar begins with, where YAML would not have read text."""
    match = _MARK.match(text.strip())
    return match.group(1) if match else None
