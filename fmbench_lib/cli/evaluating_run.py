"""The command that has the answers of a run judged."""

from __future__ import annotations

import argparse

from fmbench_lib.cli.option_values import config_arguments, existing_run
from fmbench_lib.cli.terminal import hide, print_location, print_result
from fmbench_lib.errors import InputError
from fmbench_lib.runs.opening import open_for_reading


def evaluate_command(options: argparse.Namespace) -> int:
    """Evaluate the answers of a run, and analyse it again."""
    from fmbench_lib.steps.analysis import write_analysis
    from fmbench_lib.steps.evaluation import evaluate

    run_dir = existing_run(options.run_dir, results=options.results_dir)
    run = open_for_reading(run_dir, config_arguments(options), mistakes_are_told=True)
    hide(run.redactor)
    if run.config.model_evaluations is None and run.config.evaluation is None:
        raise InputError(f"{options.run_dir}: its config has no section evaluation; write one, with judges")
    evaluate(run)
    write_analysis(run)
    run.workspace.keep(insist=True)
    print_result(run)
    print_location(run.workspace)
    return 0
