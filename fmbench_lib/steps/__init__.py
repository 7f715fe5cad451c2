"""What each notebook calls: the six steps, composed from the rooms below, one module per notebook.

Each step finds out from the run directory what is done already and does the rest, so that it may be run again after
whatever stopped it. A step works on one run at a time, in one process at a time.
"""

from __future__ import annotations

from fmbench_lib.deploy.endpoints_file import standing_lines
from fmbench_lib.runs.opening import open_run as resume
from fmbench_lib.steps.analysis import analyze
from fmbench_lib.steps.cleanup import clean_up
from fmbench_lib.steps.data_generation import generate_data, prompt_lengths, sample_prompts
from fmbench_lib.steps.deployment import deploy_models
from fmbench_lib.steps.explore import MAIN_COLUMNS, decision, figure
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
    "set_up",
    "standing_lines",
    "start",
]
