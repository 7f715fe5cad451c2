"""The command `cleanup`: deletes what runs have deployed, and lists what they have left standing."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from fmbench_lib.cli.option_values import existing_run
from fmbench_lib.cli.terminal import print_location, say
from fmbench_lib.errors import InputError
from fmbench_lib.runs.file_cleaning import clean_after_a_death
from fmbench_lib.runs.location import connected, refresh
from fmbench_lib.runs.opening import open_for_reading
from fmbench_lib.runs.run_locks import not_being_measured
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.workspace import RUN_FILE, Workspace, is_needed_to_clean_up


def cleanup_command(options: argparse.Namespace) -> int:
    """Delete what the run deployed, also where its directory is gone."""
    if not is_address(options.run_dir) and not (Path(options.run_dir) / RUN_FILE).exists():
        from fmbench_lib.steps.endpoints.standing_endpoints import is_recorded_outside

        gone = Workspace(Path(options.run_dir).resolve())
        if is_recorded_outside(gone):
            return _print_deleted(gone)
    workspace = connected(Workspace(existing_run(options.run_dir, is_needed_to_clean_up, options.results_dir)))
    with not_being_measured(workspace):
        workspace.settle()
        code = _print_deleted(workspace)
        if is_address(options.run_dir):
            refresh(workspace)
        with contextlib.suppress(InputError):  # a run without its config can be cleaned up all the same
            clean_after_a_death(open_for_reading(workspace.path))
        if workspace.report_file.exists():
            from fmbench_lib.steps.analysis import write_report

            write_report(open_for_reading(workspace.path))
        workspace.keep(insist=True)
    print_location(workspace)
    return code


def _print_deleted(workspace: Workspace) -> int:
    """Delete what a run deployed, and print what became of each endpoint; the exit code."""
    from fmbench_lib.steps.endpoints.taking_down import delete_all

    deletions = delete_all(workspace)
    for deletion in deletions:
        error = "" if deletion.error is None else f": {deletion.error}"
        say(f"{deletion.endpoint.experiment_name}: {deletion.outcome}{error}")
    if not deletions:
        say("this run deployed nothing")
    return 1 if any(deletion.error is not None for deletion in deletions) else 0


def list_standing() -> int:
    """Print what runs of this machine have deployed and not deleted, and the command that deletes it."""
    from fmbench_lib.steps.endpoints.standing_endpoints import standing_of_all_runs

    lines = standing_of_all_runs()
    for line in lines:
        say(line)
    if not lines:
        say("no run of this machine has left anything standing, as far as is recorded")
    return 0
