"""What the notebooks call: the six steps of a run, one module per notebook, and `explore`, which reads a run back.

Each step finds out from the run directory what is already done and does the rest, so it can be repeated after any
failure. Only one process at a time works on a run.
"""

from __future__ import annotations

from fmbench_lib.deploy.endpoints_file import standing_lines
from fmbench_lib.runs.opening import open_run as resume
from fmbench_lib.steps.analysis import analyze
from fmbench_lib.steps.cleanup import clean_up
from fmbench_lib.steps.data_generation import generate_data, prompt_lengths, sample_prompts
from fmbench_lib.steps.deployment import deploy_models
from fmbench_lib.steps.explore import MAIN_COLUMNS, decision, figure, scraps
from fmbench_lib.steps.inference import run_inference, sample_requests
from fmbench_lib.steps.setup import level_table, set_up, start

__all__ = [
    "MAIN_COLUMNS",
    "analyze",
    "clean_up",
    "decision",
    "deploy_models",
    "figure",
    "generate_data",
    "level_table",
    "prompt_lengths",
    "resume",
    "run_inference",
    "sample_prompts",
    "sample_requests",
    "scraps",
    "set_up",
    "standing_lines",
    "start",
]
