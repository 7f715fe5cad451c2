"""What does tasks on a node of a cluster: a plain object in a process of its own, told once what to compute."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fmbench_lib import __version__

LIBRARIES = ("numpy", "pandas", "pyarrow", "scipy", "tokenizers", "rouge-score", "sacrebleu", "rapidfuzz", "jsonschema")
"""What tasks compute with: of another version, the results might be others."""

_THREADS_OF_ARRAYS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def installed_versions() -> dict[str, str]:
    """The versions of fmbench-lib and of what tasks compute with; empty for what is not installed."""
    found = {"fmbench-lib": __version__}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = ""
    return found


class TaskAgent:
    """Does one task at a time."""

    def __init__(self) -> None:
        # Read when the arrays' library is imported, by the first function: there is a process for each core.
        os.environ.update(dict.fromkeys(_THREADS_OF_ARRAYS, "1"))
        self._compute: Callable[[Any], Any] | None = None

    def versions(self) -> dict[str, str]:
        """Those of what is installed here."""
        return installed_versions()

    def begin(self, compute: bytes) -> None:
        """Take the pickled function of the tasks to come."""
        self._compute = pickle.loads(compute)

    def run(self, task: bytes) -> bytes:
        """Do a pickled task; returns the pickled result."""
        assert self._compute is not None
        return pickle.dumps(self._compute(pickle.loads(task)), pickle.HIGHEST_PROTOCOL)
