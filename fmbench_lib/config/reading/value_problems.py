"""What pydantic finds wrong with the values of a section, said as the other problems of a config are."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fmbench_lib.config.problems import Problem, joined, shown
from fmbench_lib.config.reading.keys import section_of, yaml_keys
from fmbench_lib.config.schema.section import Section


def problems_of(error: ValidationError, section: type[Section]) -> Iterator[Problem]:
    """What is wrong with the values of a section, in the words of our messages."""
    for entry in error.errors(include_url=False):
        path = ""
        for part in entry["loc"]:
            path = joined(path, part)
        yield Problem(path, _message(entry, section))


def _message(entry: ErrorDetails, section: type[Section]) -> str:
    kind, value = entry["type"], entry["input"]
    if kind == "fmbench":
        return str(entry["ctx"]["message"])
    if kind == "missing":
        example = _example(entry["loc"], section)
        return f"is missing; write {example}" if example else "is missing"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"is {shown(value)}; write `key: value` lines under it"
    if kind == "list_type":
        return f"is {shown(value)}; write a list: [ … ]"
    return f"{shown(value)} is not valid here; see the configuration reference"


def _example(location: tuple[int | str, ...], whole: type[Section]) -> str:
    """What to write for a missing key, as the section that lacks it says."""
    section: type[Section] | None = whole
    for part in location[:-1]:
        if isinstance(part, str) and section is not None:
            section = _nested(section, part)
    key = str(location[-1])
    return section.examples.get(key, "") if section is not None else ""


def _nested(section: type[Section], key: str) -> type[Section] | None:
    info = yaml_keys(section).get(key)
    return section_of(info.annotation)[0] if info is not None else None
