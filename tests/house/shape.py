"""Rules about names, sizes and docstrings. Each returns what breaks it, one line a finding."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeGuard

from tests.house.source import Function, Module, modules

MOST_FUNCTION_LINES = 50
MOST_FILE_LINES = 350
REASON_FOR_A_LONG_FILE = "One file because "
NAMES_OF_MANY = {"__init__", "__main__", "platform", "base"}
PAIRED = {"predictors", "emulator/wires"}
"""Folders with a module of the same name for each protocol: the codec, and the wire that answers it."""


def names_used_twice(package: Path) -> list[str]:
    """Modules of one name, but for those that each room may have and the pairs of codec and wire."""
    by_name: dict[str, list[Module]] = defaultdict(list)
    for module in modules(package):
        by_name[module.stem].append(module)
    return [
        f"{name}: {', '.join(module.name for module in same)}"
        for name, same in sorted(by_name.items())
        if len(same) > 1 and name not in NAMES_OF_MANY and not (len(same) == 2 and {m.folder for m in same} == PAIRED)
    ]


def long_functions(package: Path, most: int = MOST_FUNCTION_LINES) -> list[str]:
    """Functions of more lines than allowed, their docstring not counted."""
    return [
        f"{module.name}:{function.name} has {length(function)} lines"
        for module in modules(package)
        for function in ast.walk(module.tree)
        if isinstance(function, Function) and length(function) > most
    ]


def length(function: Function) -> int:
    """Lines of a function from `def` to its end, without its docstring."""
    doc = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    return lines_of(function) - (lines_of(doc) if doc else 0)


def lines_of(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def long_files(package: Path, most: int = MOST_FILE_LINES) -> list[str]:
    """Files of more lines than allowed whose docstring doesn't say why: "One file because …"."""
    return [
        f"{module.name} has {module.text.count(chr(10))} lines"
        for module in modules(package)
        if module.text.count("\n") > most and REASON_FOR_A_LONG_FILE not in (ast.get_docstring(module.tree) or "")
    ]


def undocumented_functions(package: Path) -> list[str]:
    """Public functions and methods without a docstring.

    A method needs none where a base class, or any Protocol of the package, documents the method of that name.
    """
    everything = modules(package)
    every_class = [node for module in everything for node in ast.walk(module.tree) if is_class(node)]
    protocols = [node for node in every_class if "Protocol" in base_names(node)]
    by_protocol = set().union(*(documented_methods(node) for node in protocols))
    return [
        f"{module.name}:{'.'.join([node.name for node in enclosing] + [function.name])}"
        for module in everything
        for function, enclosing in public_functions(module.tree)
        if ast.get_docstring(function) is None
        and not (enclosing and function.name in by_protocol | inherited_docstrings(enclosing[-1], every_class))
    ]


def public_functions(tree: ast.Module) -> Iterator[tuple[Function, list[ast.ClassDef]]]:
    """Functions of a module and methods of its classes whose names have no underscore in front, nor their classes'."""
    todo: list[tuple[ast.stmt, list[ast.ClassDef]]] = [(node, []) for node in tree.body]
    for node, classes in todo:
        if is_class(node) and not node.name.startswith("_"):
            todo += [(child, [*classes, node]) for child in node.body]
        elif isinstance(node, Function) and not node.name.startswith("_"):
            yield node, classes


def inherited_docstrings(node: ast.ClassDef, every_class: Sequence[ast.ClassDef]) -> set[str]:
    """Methods that the base classes of a class document, as far as they are in the package."""
    documented: set[str] = set()
    todo, seen = base_names(node), {node.name}
    for name in todo:
        for base in (base for base in every_class if base.name == name and name not in seen):
            documented |= documented_methods(base)
            todo += base_names(base)
        seen.add(name)
    return documented


def documented_methods(node: ast.ClassDef) -> set[str]:
    return {child.name for child in node.body if isinstance(child, Function) and ast.get_docstring(child) is not None}


def base_names(node: ast.ClassDef) -> list[str]:
    """The base classes of a class, without the modules they are in and what they are parameterised by."""
    return [ast.unparse(base).split("[")[0].rpartition(".")[2] for base in node.bases]


def is_class(node: ast.AST) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef)


def logic_in_init(package: Path) -> list[str]:
    """`__init__` files that define functions or classes of their own: those belong in a module named for them."""
    return [
        f"{module.name} defines {node.name}"
        for module in modules(package)
        if module.stem == "__init__"
        for node in module.tree.body
        if isinstance(node, ast.ClassDef | Function)
    ]
