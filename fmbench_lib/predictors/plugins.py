"""Users' codecs: installed under the entry point group `fmbench.predictors`, or in a Python file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from os import PathLike, path
from typing import TypeAlias

from fmbench_lib.config.installed import load_installed
from fmbench_lib.config.platforms import PROTOCOLS_GROUP
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.base import Predictor

MakePredictor: TypeAlias = Callable[[Experiment, str, str | None, bool], Predictor]
"""Makes a user's codec from an experiment, an address, the model's name and whether to stream."""

_FUNCTION = "make_predictor"


def installed(name: str) -> MakePredictor | None:
    """What an installed package offers under a protocol's name; None if none does.

    :raises InputError: it cannot be imported.
    """
    return load_installed(PROTOCOLS_GROUP, name, "protocol")


def from_file(name: str, folder: str | PathLike[str]) -> MakePredictor:
    """The function `make_predictor` of a Python file in `folder`, else in the current one.

    :raises InputError: there is no such file or function, or the file cannot be run.
    """
    file = next(filter(path.isfile, (path.join(folder, name), name)), None)
    if file is None:
        raise InputError(f"the codec {name} was not found in {path.abspath(folder)} and the current folder")
    spec = importlib.util.spec_from_file_location(f"fmbench_user_{path.basename(file)[:-3]}", file)
    assert spec is not None  # its name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may fail in any way; its author is told how
        reason = f"{type(error).__name__}: {error}".strip(": ")
        raise InputError(f"{file}: cannot be run: {reason}") from error
    finally:
        # No other process can import the module. Without it the codec cannot be pickled, so decoding stays here.
        del sys.modules[spec.name]
    make: MakePredictor | None = getattr(module, _FUNCTION, None)
    if not callable(make):
        raise InputError(f"{file}: has no function {_FUNCTION}(experiment, url, model, stream)")
    return make
