"""Rules about imports: who may import whom. Each returns what breaks it, one line a finding."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.house.source import Function, Module, is_in, modules

Table = Mapping[str, Sequence[str]]
"""For each room, the rooms that it may import; the longest row that fits a module is its room."""


def forbidden_imports(package: Path, table: Table) -> list[str]:
    """Imports that the room of the importing module may not make, and modules that have no room."""
    lines = []
    for module, imported in edges(package):
        room, other = room_of(module, table), room_of(imported, table)
        if room is None:
            lines.append(f"{module} is in no room: add a row for it")
        elif other != room and not any(is_in(imported, entry) for entry in table[room]):
            lines.append(f"{module} imports {imported}: not allowed for {room}")
    return sorted(set(lines))


def empty_rooms(package: Path, table: Table) -> list[str]:
    """Rows of the table that no module belongs to, and entries that name nothing."""
    names = [module.name for module in modules(package)]
    entries = {entry for row in table.values() for entry in row}
    lines = [f"row {room}: no such module" for room in table if room not in {room_of(name, table) for name in names}]
    return lines + [
        f"entry {entry}: no such module" for entry in sorted(entries) if not any(is_in(n, entry) for n in names)
    ]


def room_cycles(package: Path, table: Table) -> list[str]:
    """Rooms that import each other, directly or through others."""
    graph: dict[str, set[str]] = defaultdict(set)
    for module, imported in edges(package):
        room, other = room_of(module, table), room_of(imported, table)
        if room and other and room != other:
            graph[room].add(other)
    return [" -> ".join(cycle) for cycle in cycles(graph)]


def platform_imports(package: Path, shared: Sequence[str]) -> list[str]:
    """Imports of a platform's folder from outside it: a platform is chosen by name, and knows no other.

    `shared` names the folders in `deploy/` that are no platform's; only platforms may import those.
    """
    platforms = {path.parent.name for path in package.glob("deploy/*/__init__.py")} - set(shared)
    lines = []
    for module, imported in edges(package):
        owner = part_of_deploy(imported)
        if owner in platforms and part_of_deploy(module) != owner:
            lines.append(f"{module} imports {imported}: a platform's folder")
        elif owner in shared and part_of_deploy(module) not in {owner, *platforms} and is_in(module, "deploy"):
            lines.append(f"{module} imports {imported}: only platforms may")
    return sorted(set(lines))


def part_of_deploy(name: str) -> str:
    """The folder of `deploy/` that a module is in; "" for others."""
    parts = name.split("/")
    return parts[1] if parts[0] == "deploy" and len(parts) > 2 else ""


def third_party_imports(package: Path, start: str, allowed: Sequence[str] = ()) -> list[str]:
    """What importing one module loads beside the package itself, the standard library and the libraries `allowed`."""
    known = {module.name: module for module in modules(package)}
    todo, seen, lines = [start], {start}, []
    while todo:
        module = known[todo.pop()]
        for name in imports_at_load(module.tree):
            top = name.split(".")[0]
            if top != package.name:
                if top not in sys.stdlib_module_names and top not in allowed:
                    lines.append(f"{module.name} imports {name}")
                continue
            target = resolve(name, package.name, known)
            parents = [f"{parent}/__init__" for parent in folders_above(target)] if target else []
            new = [name for name in [target or "", *parents] if name in known and name not in seen]
            todo += new
            seen.update(new)
    return sorted(lines)


def edges(package: Path) -> Iterator[tuple[str, str]]:
    """(module, module that it imports), wherever in the file the import stands."""
    known = {module.name: module for module in modules(package)}
    for module in known.values():
        for node in module.import_statements:
            for name in imported_names(node):
                target = resolve(name, package.name, known)
                if target is not None and target != module.name:
                    yield module.name, target


def imported_names(node: ast.AST) -> list[str]:
    """The dotted names that an import statement may mean: `from a import b` is a.b, whether module or not."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def imports_at_load(tree: ast.Module) -> Iterator[str]:
    """What a module imports when it is imported itself: nothing of functions and of `if TYPE_CHECKING`."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, Function):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        yield from imported_names(node)
        todo += ast.iter_child_nodes(node)


def resolve(name: str, package: str, known: Mapping[str, Module]) -> str | None:
    """The module of the package that a dotted name means, or is defined in; None outside it."""
    parts = name.split(".")
    if parts[0] != package:
        return None
    for end in (len(parts), len(parts) - 1):
        path = "/".join(parts[1:end])
        for candidate in (path, f"{path}/__init__"):
            if candidate in known:
                return candidate
    return None


def room_of(module: str, table: Table) -> str | None:
    """The longest row of the table that a module belongs to."""
    return max((room for room in table if is_in(module, room)), key=len, default=None)


def folders_above(module: str) -> list[str]:
    parts = module.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """One closed walk for every edge that leads back to where it came from, each set of rooms once."""
    found: dict[frozenset[str], list[str]] = {}
    for start in sorted(graph):
        for following in sorted(graph[start]):
            back = path_between(graph, following, start)
            if back:
                found.setdefault(frozenset(back), [start, *back])
    return list(found.values())


def path_between(graph: Mapping[str, set[str]], start: str, end: str) -> list[str]:
    """A shortest path from one room to another; empty where there is none."""
    paths, seen = [[start]], {start}
    for path in paths:
        if path[-1] == end:
            return path
        for following in sorted(graph.get(path[-1], set()) - seen):
            seen.add(following)
            paths.append([*path, following])
    return []
