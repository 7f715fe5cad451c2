"""The command `size`: fleets of what runs measured, as text or a file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from fmbench_lib.cli.option_values import existing_run
from fmbench_lib.cli.terminal import emit, is_json, masked, say, short_path
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.metrics.sizing.size import Sizing
from fmbench_lib.metrics.sizing.sizing_question import SizingQuestion, TimeLimit
from fmbench_lib.report.sizing.fleet_documents import document, grid_csv, markdown, terminal_lines

_PICTURE = ".png"
_FORMS: dict[str, Callable[[Sizing], str]] = {
    ".md": markdown,
    ".json": lambda sizing: json.dumps(document(sizing), indent=2) + "\n",
    ".csv": grid_csv,
}


def size_command(options: argparse.Namespace) -> int:
    """Size fleets of the experiments of runs, print them, write the files asked for; 1 where no fleet carries the rate
    that is asked for."""
    from fmbench_lib.steps.sizing_runs import size_runs

    outputs = [_output(path) for path in options.output]
    runs = [existing_run(run, results=options.results_dir) for run in options.runs]
    sizing = size_runs(runs, _question(options))
    if is_json():
        emit("sizing", **document(sizing))
    for line in terminal_lines(sizing):
        say(line)
    for path in outputs:
        _write(path, sizing)
        say(f"written: {short_path(path)}")
    unanswered = sizing.asked is not None and not any(fleet.enough for fleet in sizing.asked.fleets)
    return 1 if unanswered else 0


def _question(options: argparse.Namespace) -> SizingQuestion:
    limits = [TimeLimit("latency", 0.95, options.latency_p95)]
    limits += [TimeLimit("TTFT", 0.95, options.ttft_p95)] if options.ttft_p95 else []
    return SizingQuestion(
        limits=tuple(limits),
        rate=options.rate,
        headroom=options.headroom,
        spare=options.spare,
        routing=options.routing,
        weight=options.prefer,
        error_rate=options.error_rate,
        payload_file=options.payload,
        tokens_in=options.tokens_in,
        tokens_out=options.tokens_out,
    )


def _write(path: Path, sizing: Sizing) -> None:
    if path.suffix == _PICTURE:
        from fmbench_lib.steps.sizing_runs import draw_sizing

        draw_sizing(sizing, path)
    else:
        write_text(path, masked(_FORMS[path.suffix](sizing)))


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (*_FORMS, _PICTURE):
        raise InputError(f"--output {text}: the name must end in {', '.join((*_FORMS, _PICTURE))}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"--output {text}: the folder {path.parent} does not exist")
    return path
