"""The rule about pure rooms: they touch no files, network, environment, clock or chance."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.house.source import is_in, modules

IMPURE_BUILTINS = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint"}
IMPURE = (
    "os", "time", "socket", "ssl", "select", "selectors", "subprocess", "shutil", "tempfile", "threading", "asyncio",
    "multiprocessing", "concurrent.futures", "urllib.request", "http", "requests", "boto3", "botocore", "logging",
    "importlib", "runpy", "uuid", "secrets", "signal", "random", "numpy.random", "psutil", "pathlib.Path.cwd",
    "pathlib.Path.home", "io.open", "sys.stdin", "sys.stdout", "sys.stderr", "sys.argv", "sys.modules", "sys.path",
    "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today",
    "numpy.load", "numpy.save", "numpy.savez", "numpy.loadtxt", "numpy.fromfile", "pandas.read_csv",
    "pandas.read_json", "pandas.read_parquet", "pandas.read_pickle", "pyarrow.parquet",
)  # fmt: skip
"""Names that reach outside the process or give a different answer each time, with all that is below them."""

PURE_ALL_THE_SAME = (
    "os.path.basename", "os.path.dirname", "os.path.join", "os.path.splitext",
    "os.PathLike", "os.sep", "os.fspath", "time.struct_time", "random.Random", "numpy.random.Generator",
    "numpy.random.default_rng", "numpy.random.SeedSequence", "numpy.random.PCG64", "uuid.UUID", "uuid.uuid5",
    "http.HTTPStatus", "botocore.eventstream",
)  # fmt: skip
UNSEEDED = ("random.Random", "numpy.random.default_rng", "numpy.random.SeedSequence")
"""Generators that are pure only when they are given a seed."""

IMPURE_METHODS = {
    "read_text", "read_bytes", "write_text", "write_bytes", "open", "iterdir", "rglob", "mkdir", "touch", "unlink",
    "rmdir", "exists", "is_file", "is_dir", "stat", "expanduser", "exec_module", "load_module", "urlopen", "connect",
    "sendall", "recv", "to_csv", "to_parquet", "to_pickle", "savefig",
}  # fmt: skip
"""Methods that do so whatever they are called on."""


def impure_calls(package: Path, rooms: Sequence[str], rim: Sequence[str] = ()) -> list[str]:
    """What modules of pure rooms use of files, network, environment, clock or chance; those of the rim may."""
    lines = []
    for module in modules(package):
        if any(is_in(module.name, room) for room in rooms) and not any(is_in(module.name, name) for name in rim):
            lines += [f"{module.name}:{line} uses {name}" for line, name in sorted(impure_uses(module.tree))]
    return lines


def impure_uses(tree: ast.Module) -> set[tuple[int, str]]:
    """(line, name) of everything impure in a module, by what its names were imported as."""
    aliases = imported_as(tree)
    inner = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    uses = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and node not in inner:
            name = dotted(node, aliases)
            if name is not None and matches(name, IMPURE) and not matches(name, PURE_ALL_THE_SAME):
                uses.add((node.lineno, name))
        if isinstance(node, ast.Call):
            called = dotted(node.func, aliases)
            if called in UNSEEDED and not node.args and not node.keywords:
                uses.add((node.lineno, f"{called}()"))
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
                uses.add((node.lineno, node.func.id))
            if isinstance(node.func, ast.Attribute) and node.func.attr in IMPURE_METHODS:
                uses.add((node.lineno, f".{node.func.attr}()"))
    return uses


def imported_as(tree: ast.Module) -> dict[str, str]:
    """What each imported name of a module stands for: `now` is `time.perf_counter`."""
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module:
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return aliases


def dotted(node: ast.AST, aliases: Mapping[str, str]) -> str | None:
    """The full name of `a.b.c` where `a` was imported; None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in aliases:
        return None
    return ".".join([aliases[node.id], *reversed(parts)])


def matches(name: str, patterns: Sequence[str]) -> bool:
    return any(name == pattern or name.startswith(f"{pattern}.") for pattern in patterns)
