"""Codecs of the user's own: installed under the entry point group `fmbench.predictors`, or in a Python file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from os import PathLike, path
from typing import Any

from fmbench_lib.config.platforms import OWN_PROTOCOLS_GROUP
from fmbench_lib.errors import InputError

_FUNCTION = "make_predictor"


def installed(name: str) -> Callable[..., Any] | None:
    """What an installed package offers under a protocol's name; raises InputError where it cannot be imported."""
    for point in entry_points(group=OWN_PROTOCOLS_GROUP, name=name):
        try:
            made: Callable[..., Any] = point.load()
        except Exception as error:  # whatever goes wrong in the user's code is said, not raised
            raise InputError(f"protocol {name}: {point.value} cannot be imported: {_said(error)}") from error
        return made
    return None


def from_file(name: str, folder: str | PathLike[str]) -> Callable[..., Any]:
    """The function `make_predictor` of a Python file: in the config's folder, then in the current one.

    Raises InputError where there is no such file or function, or where it cannot be run.
    """
    file = next(filter(path.isfile, (path.join(folder, name), name)), None)
    if file is None:
        raise InputError(f"the codec {name} was not found in {path.abspath(folder)} and the current folder")
    spec = importlib.util.spec_from_file_location(f"fmbench_own_{path.basename(file)[:-3]}", file)
    assert spec is not None  # its name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"{file}: cannot be run: {_said(error)}") from error
    finally:
        # No other process could import it: what is not there cannot be pickled, and decoding stays in this process.
        del sys.modules[spec.name]
    make = getattr(module, _FUNCTION, None)
    if not callable(make):
        raise InputError(f"{file}: has no function {_FUNCTION}(experiment, url, model, stream)")
    made: Callable[..., Any] = make
    return made


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip(": ")
