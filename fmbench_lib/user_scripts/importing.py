"""Running a user script: importing it, and calling its functions with as many arguments as they take.

Only dedicated processes import this: a script may do anything to the process that it runs in.
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
    """The script as a module; it can import files beside it. Raises ImportError for a path that is not a Python file,
    and whatever the script raises."""
    offer_older_names()
    file = Path(path)
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def most_arguments(function: Callable[..., Any]) -> int | None:
    """The maximum number of positional arguments a function takes; None where there is no limit."""
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters
    )


def called(function: Callable[..., Any], *arguments: Any) -> Any:
    """A function's result for the first of these arguments, as many as it takes: later versions added some."""
    return function(*arguments[: most_arguments(function)])


class ExperimentKeys(dict[str, Any]):
    """An experiment as scripts expect it: a key that the config leaves empty is None instead of missing."""

    def __init__(self, given: Mapping[str, Any], known: list[str]) -> None:
        super().__init__(given)
        self._known = frozenset(known)

    def __missing__(self, key: str) -> None:
        if key not in self._known:
            raise KeyError(key)
