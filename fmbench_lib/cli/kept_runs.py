"""The commands `report` and `sync`: a run that has been measured, looked at again and sent to its bucket."""

from __future__ import annotations

import argparse
import contextlib

from fmbench_lib.cli.option_values import config_arguments, existing_run
from fmbench_lib.cli.terminal import hide, print_location, print_result, say
from fmbench_lib.errors import InputError, RunStateError
from fmbench_lib.runs.file_cleaning import clean_after_a_death
from fmbench_lib.runs.location import keeper_of
from fmbench_lib.runs.opening import open_for_reading
from fmbench_lib.runs.run_locks import not_being_measured
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.workspace import Workspace


def report_command(options: argparse.Namespace) -> int:
    """Analyse a run again and rewrite its report."""
    from fmbench_lib.pipeline.notebooks import succeeded
    from fmbench_lib.steps.analysis import write_analysis

    run = open_for_reading(existing_run(options.run_dir, results=options.results_dir), config_arguments(options))
    hide(run.redactor)
    with contextlib.suppress(RunStateError), not_being_measured(run.workspace):
        clean_after_a_death(run)
    if options.from_raw:
        from fmbench_lib.steps.redecoding import decode_again

        say(f"levels decoded again: {decode_again(run)}")
    write_analysis(run)
    run.workspace.keep(insist=True)
    print_result(run)
    print_location(run.workspace)
    return 0 if succeeded(run, options.allow_invalid, options.fail_on_budget) else 1


def sync_command(options: argparse.Namespace) -> int:
    """Send what the run's bucket lacks."""
    if is_address(options.run_dir):
        raise InputError(f"{options.run_dir} is in a bucket already: give the run's directory on this machine")
    workspace = Workspace(existing_run(options.run_dir, results=options.results_dir))
    keeper = keeper_of(workspace)
    if keeper is None:
        raise InputError(f"{options.run_dir} is kept in its directory alone: it was made without a bucket")
    sent = keeper.synchronise(workspace)
    for name in sent.left:
        say(f"not sent, as another machine has changed it in the bucket: {name}", error=True)
    say(f"{sent.files} files sent, {sent.size} bytes; kept in: {keeper.address}")
    return 1 if sent.left else 0
