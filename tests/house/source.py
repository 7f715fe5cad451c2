"""The source text of a package, as the rules of the layout see it: nothing is imported.

A module is named by its path in the package, `load/sending/worker`. A room is a row of the table in
`test_architecture.py`: a folder with all below it, or a single module.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file of a package."""

    name: str
    text: str
    tree: ast.Module

    @cached_property
    def import_statements(self) -> list[ast.Import | ast.ImportFrom]:
        """Wherever in the file they stand."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Import | ast.ImportFrom)]

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2]


def modules(package: Path) -> list[Module]:
    """All modules of a package but its own `__init__`."""
    paths = {path.relative_to(package).with_suffix("").as_posix(): path for path in sorted(package.rglob("*.py"))}
    return [parsed(name, path.read_text(encoding="utf-8")) for name, path in paths.items() if name != "__init__"]


@cache
def parsed(name: str, text: str) -> Module:
    """A module of this text. A package is parsed once, not once for each rule."""
    return Module(name, text, ast.parse(text))


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}/")
