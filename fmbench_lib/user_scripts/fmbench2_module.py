"""What scripts written for FMBench 2.x import: a package `fmbench` with the classes and names that they use.

It exists while such a script runs, and only where no package of that name is installed. A name that it lacks is named
in the error.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from fmbench_lib import __version__
from fmbench_lib.user_scripts.fmbench2_names import MODULES

_INSTEAD = "define it in your script, or put the file that has it beside your script under another name"


class _Missing:
    """Finds the modules of the package that are not there: says so by name."""

    def find_spec(self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None) -> None:
        """Raise ModuleNotFoundError for a module of FMBench 2.x; None leaves any other to the other finders."""
        if name.startswith("fmbench."):
            raise ModuleNotFoundError(_no_module(name), name=name)


def offer_older_names() -> None:
    """Make the package `fmbench` of FMBench 2.x importable, as far as its own predictors and deployers import it."""
    if _is_installed():
        return
    for name, values in MODULES.items():
        module = sys.modules[name] = ModuleType(name)
        if any(other.startswith(f"{name}.") for other in MODULES):
            module.__path__ = []
        vars(module).update(values, __getattr__=_says_what_is_missing(name))
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], last, module)
    vars(sys.modules["fmbench"]).update(__version__=__version__)
    sys.meta_path.insert(0, _Missing())


def missing_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and reason of each import at the top level of a script that would fail for a name that is not there."""
    for statement in () if _is_installed() else tree.body:
        for module, name in _imports(statement):
            if not module.startswith("fmbench.") and module != "fmbench":
                continue
            if module not in MODULES:
                yield statement.lineno, _no_module(module)
            elif name not in ("", "*", "__version__", *MODULES[module]) and f"{module}.{name}" not in MODULES:
                yield statement.lineno, _no_name(module, name)


def _imports(statement: ast.stmt) -> Iterator[tuple[str, str]]:
    """Modules and names that a statement imports; the name is empty where it is the module itself."""
    if isinstance(statement, ast.Import):
        yield from ((alias.name, "") for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom) and statement.level == 0:
        yield from ((str(statement.module), alias.name) for alias in statement.names)


def _is_installed() -> bool:
    """Whether FMBench 2.x itself is there, or a package of its name."""
    return "fmbench" in sys.modules or importlib.util.find_spec("fmbench") is not None


def _no_module(name: str) -> str:
    return f"fmbench has no module {name} for scripts, only {', '.join(MODULES)}: {_INSTEAD}"


def _no_name(module: str, name: str) -> str:
    return f"fmbench has no {module}.{name} for scripts: {_INSTEAD}"


def _says_what_is_missing(module: str) -> Callable[[str], Any]:
    def missing(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(_no_name(module, name), name=name)

    return missing
