"""`fmbench import`: result files of other tools as a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from fmbench_lib.cli.option_values import config_arguments, results_folder
from fmbench_lib.cli.terminal import hide, print_result, say, short_path


def import_command(options: argparse.Namespace) -> int:
    """Read result files, make a run of them, analyse it and write its report."""
    from fmbench_lib.imports.assembling import Names
    from fmbench_lib.pipeline.notebooks import succeeded
    from fmbench_lib.steps.importing_results import ImportRequest, import_results

    request = ImportRequest(
        paths=[Path(path) for path in options.files],
        names=Names(options.experiment, options.payload, options.instance_type, options.instance_count),
        run_name=options.name,
        hourly=options.hourly,
        pricing=Path(options.pricing) if options.pricing else None,
        values=config_arguments(options),
    )
    imported = import_results(request, results_folder(options))
    hide(imported.run.redactor)
    for reason in imported.skipped:
        say(f"note: left out: {reason}", error=True)
    path = short_path(imported.run.workspace.path)
    levels, files = (
        f"{n} {what}{'s' * (n != 1)}" for n, what in ((imported.levels, "level"), (imported.files, "file"))
    )
    say(f"imported {levels} from {files} into {path}")
    print_result(imported.run)
    return 0 if succeeded(imported.run, options.allow_invalid, options.fail_on_budget) else 1
