"""Paths to values in JSON, a subset of JSONPath: `$.choices[0].text`, `$.results[*].text`, `$` for the whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+|\*)\]|\['([^']+)'\]")

Steps = tuple[str | int | None, ...]
"""Names of members and indexes of elements, None for every element."""


def path_steps(path: str) -> Steps:
    """The steps of a path.

    :raises ValueError: the path is not in the subset; the message says what to write.
    """
    steps: list[str | int | None] = []
    position = 1
    while match := _STEP.match(path, position):
        name, index, quoted = match.groups()
        steps.append(name or quoted or (None if index == "*" else int(index)))
        position = match.end()
    if not path.startswith("$") or position != len(path):
        raise ValueError("write $.key, $.list[0].key, $.list[*].key or $['a key'], or $ for all of it")
    return tuple(steps)


def at_path(value: Any, steps: Steps) -> Iterator[Any]:
    """The values at a path; none if the path does not exist."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step is None:
        for element in value if isinstance(value, list) else ():
            yield from at_path(element, rest)
    elif isinstance(step, int):
        if isinstance(value, list) and step < len(value):
            yield from at_path(value[step], rest)
    elif isinstance(value, dict) and step in value:
        yield from at_path(value[step], rest)
