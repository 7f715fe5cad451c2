"""Paths to values in JSON, the plain part of JSONPath: `$.choices[0].text`, `$.results[*].text`, `$` for the whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+|\*)\]|\['([^']+)'\]")

Steps = tuple[str | int | None, ...]
"""Names of members and indexes of elements, None for every element."""


def path_steps(path: str) -> Steps:
    """The steps of a path; raises ValueError, with what to write, where it is none that is understood."""
    steps: list[str | int | None] = []
    place = 1
    while found := _STEP.match(path, place):
        name, index, quoted = found.groups()
        steps.append(name or quoted or (None if index == "*" else int(index)))
        place = found.end()
    if not path.startswith("$") or place != len(path):
        raise ValueError("write $.key, $.list[0].key, $.list[*].key or $['a key'], or $ for all of it")
    return tuple(steps)


def at_path(value: Any, steps: Steps) -> Iterator[Any]:
    """The values that stand at a path; none where it leads nowhere."""
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if step is None:
        for one in value if isinstance(value, list) else ():
            yield from at_path(one, rest)
    elif isinstance(step, int):
        if isinstance(value, list) and step < len(value):
            yield from at_path(value[step], rest)
    elif isinstance(value, dict) and step in value:
        yield from at_path(value[step], rest)
