"""Running a user's script: its module, and its functions with as many arguments as they take.

Only processes of their own import this: a script may do whatever it likes to the process that it runs in.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from fmbench_lib.user_scripts.fmbench2_module import offer_older_names


def load_script(path: str) -> ModuleType:
    """The script as a module; files beside it can be imported by it."""
    offer_older_names()
    file = Path(path)
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def most_arguments(function: Callable[..., Any]) -> int | None:
    """How many positional arguments a function takes at most; None where there is no bound."""
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    return sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters)


def called(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns for the first of the arguments, as many as it takes: it has grown some over versions."""
    return function(*arguments[: most_arguments(function)])


class ExperimentKeys(dict[str, Any]):
    """An experiment as scripts know it: a key that the config leaves empty is None, not missing."""

    def __init__(self, given: Mapping[str, Any], known: list[str]) -> None:
        super().__init__(given)
        self._known = frozenset(known)

    def __missing__(self, key: str) -> None:
        if key not in self._known:
            raise KeyError(key)
