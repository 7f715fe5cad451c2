"""Placeholders `{name}` in a config's text, filled in before the text is parsed as YAML.

A placeholder without a value stays as text. While the text is parsed, two marks of the same width stand for its braces,
since YAML would read `{name}` as a mapping; `restore` puts the braces back.

FMBench 2.x formats the whole text with `str.format`, where a brace can only be written as `{{` or `}}`. A text whose
only braces are those and placeholders may have been written for it and is read the same way. In any other, such as one
with a flow mapping, `{name: mine}`, braces stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

STANDARD = ("region", "role_arn", "write_bucket", "read_bucket", "read_tmpdir", "write_tmpdir")
"""Names whose values come from the run or its command line."""

TEMPLATE_WORDS = frozenset({"ground_truth", "question", "context", "method_name"})
"""Names used in prompt templates and evaluation files; in a config they are text."""

_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: no config contains them, and YAML treats them as letters
_PLACEHOLDER = re.compile(r"\{\{\w+\}\}|\{([A-Za-z_]\w*)\}")
_FORMAT = re.compile(r"(?:[^{}]++|\{\{|\}\}|\{[A-Za-z_]\w*\})*+")
"""A text for `str.format` whose fields are all bare names."""
_OF_FORMAT = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*)\}")
_BRACES = {"{{": "{", "}}": "}"}
_MARK = re.compile(f"(?<!{_OPEN}){_OPEN}(\\w+){_CLOSE}(?!{_CLOSE})")


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with `{name}` replaced for every name in `values` and the others marked. `{{name}}` is text."""

    def _replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return match.group(0).replace("{", _OPEN).replace("}", _CLOSE)
        return _value(name, values)

    return _PLACEHOLDER.sub(_replacement, text)


def fill_file(text: str, values: Mapping[str, str]) -> str:
    """`fill` for the whole text of a file; in one that may be FMBench 2.x's, doubled braces become single.

    Both happen in one pass, so that neither values nor the `{name}` left of `{{name}}` are substituted again.
    """
    if not _FORMAT.fullmatch(text):
        return fill(text, values)
    return _OF_FORMAT.sub(lambda match: _BRACES.get(match[0]) or _value(match[1], values), text)


def _value(name: str, values: Mapping[str, str]) -> str:
    return values.get(name, f"{_OPEN}{name}{_CLOSE}")


def known_values(arguments: Mapping[str, str], standard: Mapping[str, str]) -> dict[str, str]:
    """All known values. Arguments override standard values, and may contain standard placeholders."""
    return {**standard, **{name: restore(fill(value, standard)) for name, value in arguments.items()}}


def restore(text: str) -> str:
    """The text with marks turned back into braces."""
    return text.replace(_OPEN, "{").replace(_CLOSE, "}")


def marked(text: str) -> tuple[str, ...]:
    """The names of the open placeholders in a text."""
    return tuple(_MARK.findall(text))


def stands_for_value(text: str) -> str | None:
    """The placeholder that an unquoted scalar begins with, where YAML would have read a mapping; None without one."""
    match = _MARK.match(text.strip())
    return match.group(1) if match else None
