"""`fmbench export`: an analysed run in the form of another program."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fmbench_lib.cli.option_values import existing_run
from fmbench_lib.cli.terminal import say, short_path
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import read_json, write_text
from fmbench_lib.workspace import Workspace


def export_command(options: argparse.Namespace) -> int:
    """Write a run's summary in the form asked for, to a file or to standard output."""
    from fmbench_lib.report.exports.export_forms import FORMS

    workspace = Workspace(existing_run(options.run_dir, results=options.results_dir))
    if not workspace.summary_file.exists():
        raise InputError(f"{options.run_dir} is not analysed yet: run `fmbench report {options.run_dir}` first")
    text = FORMS[options.form](read_json(workspace.summary_file))
    if options.into is None:
        sys.stdout.write(text)
        return 0
    path = Path(options.into)
    if not path.parent.is_dir():
        raise InputError(f"--into {options.into}: {path.parent} is no folder")
    write_text(path, text)
    say(f"written to {short_path(path)}")
    return 0
