"""What the notebooks call: the six steps of a run, one module per notebook, and `explore`, which reads a run back.

Each step finds out from the run directory what is already done and does the rest, so it can be repeated after any
failure. Only one process at a time works on a run.

The names below are imported when they are first used: a command that needs one step does not import the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fmbench_lib.steps.analysis import analyze
    from fmbench_lib.steps.cleanup import clean_up
    from fmbench_lib.steps.data_generation import generate_data, prompt_lengths, sample_prompts
    from fmbench_lib.steps.deployment import deploy_models
    from fmbench_lib.steps.endpoints.standing_endpoints import standing_lines
    from fmbench_lib.steps.explore.glued_results import MAIN_COLUMNS, decision, figure, scraps
    from fmbench_lib.steps.inference import run_inference, sample_requests
    from fmbench_lib.steps.notebook_display.notebook_outputs import decision_card, level_results, report_parts, table
    from fmbench_lib.steps.setup import level_table, resume, set_up, start

_MODULES = {
    "steps.analysis": ("analyze",),
    "steps.cleanup": ("clean_up",),
    "steps.data_generation": ("generate_data", "prompt_lengths", "sample_prompts"),
    "steps.deployment": ("deploy_models",),
    "steps.explore.glued_results": ("MAIN_COLUMNS", "decision", "figure", "scraps"),
    "steps.inference": ("run_inference", "sample_requests"),
    "steps.notebook_display.notebook_outputs": ("decision_card", "level_results", "report_parts", "table"),
    "steps.setup": ("level_table", "resume", "set_up", "start"),
    "steps.endpoints.standing_endpoints": ("standing_lines",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "MAIN_COLUMNS",
    "analyze",
    "clean_up",
    "decision",
    "decision_card",
    "deploy_models",
    "figure",
    "generate_data",
    "level_results",
    "level_table",
    "prompt_lengths",
    "report_parts",
    "resume",
    "run_inference",
    "sample_prompts",
    "sample_requests",
    "scraps",
    "set_up",
    "standing_lines",
    "start",
    "table",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that exists

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"fmbench_lib.{_MODULE_OF[name]}"), name)
