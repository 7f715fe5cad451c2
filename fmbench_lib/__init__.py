"""fmbench: which model, on which stack and instance, at which load, gives this latency for the least money?

`open_run` and `open_runs` open finished runs for questions. They are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fmbench_lib.steps.explore.opening_runs import open_run, open_runs

__all__ = ["__version__", "open_run", "open_runs"]
__version__ = "0.1.0"

if not TYPE_CHECKING:  # a type checker would take every name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in ("open_run", "open_runs"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from fmbench_lib.steps.explore import opening_runs

        return getattr(opening_runs, name)
