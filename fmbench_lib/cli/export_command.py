"""`fmbench export`: an analysed run in the form of another program, or sent to one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmbench_lib.cli.option_values import existing_run
from fmbench_lib.cli.terminal import say, short_path
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.workspace import Workspace

_BELONGS_TO = {"endpoint": "otel", "tracking_uri": "mlflow", "experiment": "mlflow"}
"""Options that only one receiver has."""


def export_command(options: argparse.Namespace) -> int:
    """Write a run's summary in the form asked for, to a file or to standard output, or send it."""
    from fmbench_lib.report.exports.export_forms import FORMS
    from fmbench_lib.report.stored_summary import read_summary

    _check(options)
    workspace = Workspace(existing_run(options.run_dir, results=options.results_dir))
    summary = read_summary(workspace, options.run_dir)
    if options.receiver is not None:
        say(_sent(options, summary, workspace))
        return 0
    text = FORMS[options.form](summary)
    if options.into is None:
        sys.stdout.write(text)
        return 0
    path = Path(options.into)
    if not options.into or path.is_dir():
        raise InputError(f"--into {options.into or repr('')}: name a file")
    if not path.parent.is_dir():
        raise InputError(f"--into {options.into}: {path.parent} is no folder")
    write_text(path, text)
    say(f"written to {short_path(path)}")
    return 0


def _check(options: argparse.Namespace) -> None:
    """Raise InputError for options that do not go together."""
    for name, receiver in _BELONGS_TO.items():
        if getattr(options, name) is not None and options.receiver != receiver:
            raise InputError(f"--{name.replace('_', '-')} is for --to {receiver}: write that too, or leave it out")
    if options.receiver is not None and options.into is not None:
        raise InputError("--into writes a file and --to sends: keep one of the two")


def _sent(options: argparse.Namespace, summary: Mapping[str, Any], workspace: Workspace) -> str:
    """Send the run; returns what was sent where."""
    if options.receiver == "otel":
        from fmbench_lib.steps.exporting_otlp import send_to_collector

        return send_to_collector(summary, options.endpoint)
    from fmbench_lib.steps.exporting_mlflow import send_to_mlflow

    return send_to_mlflow(summary, workspace, options.tracking_uri, options.experiment or str(summary["run"]["name"]))
