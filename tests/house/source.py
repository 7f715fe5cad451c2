"""The source text of a package, as the rules of the layout see it: nothing is imported.

A module is named by its path in the package, `load/sending/worker`. A room is a row of the table in
`test_architecture.py`: a folder with all below it, or a single module.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file of a package."""

    name: str
    text: str
    tree: ast.Module

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2]


def modules(package: Path) -> list[Module]:
    """All modules of a package but its own `__init__`."""
    found = []
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).with_suffix("").as_posix()
        if name != "__init__":
            text = path.read_text(encoding="utf-8")
            found.append(Module(name, text, ast.parse(text)))
    return found


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}/")
