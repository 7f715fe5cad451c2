"""YAML text to plain values, with what the user should know: duplicate keys, open placeholders, where it broke.

It differs from YAML 1.1 as PyYAML reads it where that changes what was meant: keys are always text (`on:` is not a
truth value); dates, `12:30` and `010` are text; `1e-3` is a number, but `1e3`, which may be a version, is text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from fmbench_lib.config.problems import ConfigError, Notice, Problem, joined
from fmbench_lib.config.reading.substitution import STANDARD, TEMPLATE_WORDS, marked, restore, stands_for_value
from fmbench_lib.config.spelling import nearest

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", "+.inf", ".Inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN"), float("nan")),
}
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+][0-9]+)\Z")
_MOST_DIGITS = 1000  # Python converts a few thousand
_MOST_DEPTH = 200
_TAGS = {"tag:yaml.org,2002:" + tag for tag in ("str", "int", "float", "bool", "null", "map", "seq")}
_MOST_VALUES = 200_000
"""Anchors that refer to anchors can expand a page of text to billions of values."""


@dataclass(slots=True)
class Document:
    """A parsed file: its value, and what parsing noticed."""

    value: Any = None
    duplicates: list[Notice] = field(default_factory=list)
    open_placeholders: list[str] = field(default_factory=list)
    """Standard placeholders that have no value and stay in the values as text."""
    placeholders: set[str] = field(default_factory=set)
    """All placeholders that have no value, wherever they stand."""
    missing: dict[str, list[str]] = field(default_factory=dict)
    """Placeholders in the place of a value that have none, each with the keys where it occurs."""

    def problems(self) -> list[Problem]:
        """One for each placeholder without a value, at the first key where it occurs."""
        return [_unfilled(name, keys) for name, keys in self.missing.items()]


def parse(text: str) -> Document:
    """Parse one YAML document whose placeholders have been filled or marked.

    :raises ConfigError: the text is not YAML; the message has line and column.
    """
    builder = _Builder(Document())
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except UnicodeEncodeError as error:  # an argument whose bytes are not UTF-8
        raise ConfigError([Problem("", f"holds half a character (position {error.start})")]) from None
    except RecursionError:
        raise ConfigError([Problem("", "is nested too deeply; write it flatter")]) from None
    except yaml.YAMLError as error:
        raise ConfigError([Problem("", f"not valid YAML: {_explained(error, text)}")]) from None
    if node is not None:
        builder.document.value = builder.built(node, "")
    return builder.document


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document = document
        self._inside: set[int] = set()
        self._count = 0

    def built(self, node: yaml.Node, path: str) -> Any:
        """The plain value of a node at a key's path."""
        self._guard(node, path)
        self._inside.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.built(item, joined(path, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, yaml.ScalarNode)
            return self._scalar(node, path)
        finally:
            self._inside.discard(id(node))

    def _guard(self, node: yaml.Node, path: str) -> None:
        self._count += 1
        if len(self._inside) > _MOST_DEPTH:
            raise ConfigError([Problem(path[:100], f"is nested more than {_MOST_DEPTH} deep; write it flatter")])
        if id(node) in self._inside:
            raise ConfigError(
                [Problem(path, "an anchor contains itself; YAML anchors (&name, *name) may not be cyclic")]
            )
        if self._count > _MOST_VALUES:
            raise ConfigError(
                [Problem(path, f"the file has more than {_MOST_VALUES:,} values, those of anchors included")]
            )
        if node.tag not in _TAGS:
            line = node.start_mark.line + 1
            raise ConfigError([Problem(path, f"line {line}: unknown YAML tag {node.tag}; leave it out")])

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.value == "<<" and not key_node.style:
                merged = {**self._merged(value_node, path), **merged}
                continue
            key = self._key(key_node, path)
            if key in entries:
                where = f"lines {lines[key]} and {key_node.start_mark.line + 1}"
                self.document.duplicates.append(
                    Notice(joined(path, key), f"given twice ({where}); the last one is used")
                )
                del entries[key]
            lines[key] = key_node.start_mark.line + 1
            entries[key] = self.built(value_node, joined(path, key))
        return {**{key: value for key, value in merged.items() if key not in entries}, **entries}

    def _key(self, node: yaml.Node, path: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            line = node.start_mark.line + 1
            raise ConfigError([Problem(path, f"line {line}: a key must be a word; put text with braces in quotes")])
        return self._text(node, path)

    def _merged(self, node: yaml.Node, path: str) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in sources:
            value = self.built(source, joined(path, "<<"))
            if not isinstance(value, dict):
                raise ConfigError([Problem(path, "`<<` takes an anchor of a section (or a list of such anchors)")])
            merged = {**value, **merged}
        return merged

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Any:
        text = self._text(node, path)
        quoted_text = bool(node.style) and node.tag == "tag:yaml.org,2002:str"
        return text if quoted_text else plain_value(text)

    def _text(self, node: yaml.ScalarNode, path: str) -> str:
        text = str(node.value)
        for name in marked(text):
            self.document.placeholders.add(name)
            if name in STANDARD and name not in self.document.open_placeholders:
                self.document.open_placeholders.append(name)
        needed = None if node.style else stands_for_value(text)
        if needed is not None and needed not in STANDARD and needed not in TEMPLATE_WORDS:
            self.document.missing.setdefault(needed, []).append(path)
        return restore(text)


def _unfilled(name: str, keys: list[str]) -> Problem:
    further = len(keys) - 1
    elsewhere = f" (nor at {further} other {'key' if further == 1 else 'keys'})" if further else ""
    meant = nearest(name, STANDARD, within=2)
    if meant is not None:
        return Problem(keys[0], f"the placeholder {{{name}}} is not known here{elsewhere}; did you mean {{{meant}}}?")
    remedy = f"give it with -A {name}=VALUE, or put it in quotes if the braces are text"
    return Problem(keys[0], f"the placeholder {{{name}}} has no value here{elsewhere}; {remedy}", asks_for=name)


def plain_value(text: str) -> Any:
    """The value of an unquoted scalar: null, yes/no, a number, or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.match(text):
        return int(text) if len(text) <= _MOST_DIGITS else text
    if _DECIMAL.match(text):
        return float(text)
    return text


def _explained(error: yaml.YAMLError, text: str) -> str:
    """A parser's error on one line, with line and column counted from 1."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return " ".join(str(getattr(error, "reason", error)).split())
    complaint = str(getattr(error, "problem", None) or "it does not parse")
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    hint = ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        hint = " (the line is indented with a tab; use spaces)"
    elif "mapping values are not allowed" in complaint:
        hint = " (text that contains a colon and a space must be in quotes)"
    return f"line {mark.line + 1}, column {mark.column + 1}: {complaint}{hint}"
