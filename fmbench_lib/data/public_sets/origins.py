"""`SOURCES.json` beside fetched data: where each file came from, in which revision, under which licence."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

NAME = "SOURCES.json"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one file came from. `revision` is the commit of the repository, `rows` the limit if there was one."""

    data_set: str
    repository: str
    revision: str
    licence: str
    sources: tuple[str, ...]
    sha256: str
    size_bytes: int
    rows: int | None


def read_origins(text: str | None) -> dict[str, dict[str, Any]]:
    """What is noted of each file, by its name; nothing where there is no note, or it is none of ours."""
    try:
        noted = json.loads(text or "{}")
        return {str(name): dict(origin) for name, origin in noted["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def with_origins(text: str | None, made: dict[str, Origin]) -> str:
    """The note with these files added or replaced."""
    files = read_origins(text) | {name: asdict(origin) for name, origin in made.items()}
    return json.dumps({"files": dict(sorted(files.items()))}, indent=1, ensure_ascii=False) + "\n"
