"""What a tool whose results can be imported gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fmbench_lib.imports.found_level import FoundLevel
from fmbench_lib.imports.tool_file import ResultFile


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool by name, and what its files are, in words.

    `recognises` looks at the content alone, as files are renamed; `read` returns the levels in the file's order and
    raises InputError for one that is damaged.
    """

    name: str
    files: str
    recognises: Callable[[ResultFile], bool]
    read: Callable[[ResultFile], list[FoundLevel]]
