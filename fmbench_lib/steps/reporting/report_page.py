"""`report.html` of a run: its content without secrets, and the files of the run that it links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from fmbench_lib.config import STEPS
from fmbench_lib.host.atomic_files import each_text, write_text
from fmbench_lib.load.recording.stored_level import StoredLevel
from fmbench_lib.metrics.repeated_levels import under_one_load
from fmbench_lib.metrics.request_timelines import chosen_requests, timelines_of
from fmbench_lib.report.figures.draw import BUSINESS
from fmbench_lib.report.html.page_content import LinkedFile, page_content
from fmbench_lib.report.html.page_shapes import PageContent
from fmbench_lib.report.html.page_shell import page_html
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.losses import Losses


def write_page(run: Run, inputs: ReportInputs, levels: Sequence[StoredLevel], losses: Losses) -> None:
    """Write the page; where it cannot be made, that is noted, and none of an earlier analysis is left in its place.

    `inputs` has the levels that count, `levels` the records of all.
    """
    page, picture = run.workspace.page_file, run.workspace.figures / BUSINESS
    page.unlink(missing_ok=True)
    with losses.of(page.name):
        chosen = chosen_requests(under_one_load(inputs.requests))
        ids = [str(row["request_id"]) for _, row in chosen]
        shown = timelines_of(chosen, (level.events_of(ids) for level in levels))
        inputs = replace(inputs, notices=[*inputs.notices, *losses.lines], timelines=shown)
        content: PageContent = each_text(page_content(inputs, list(_files(run))), run.redactor.in_content)
        write_text(page, page_html(content, picture.read_bytes() if picture.exists() else None))


def _files(run: Run) -> Iterator[LinkedFile]:
    """The notebooks that were executed, then the tables and raw files, as far as they are there."""
    workspace = run.workspace
    paths: list[tuple[Path, str]] = [(workspace.notebook(step), "as executed") for step in STEPS]
    paths += [
        (workspace.report_file, "the report as text"),
        (workspace.summary_file, "decision and levels for programs"),
        (workspace.config_copy, "the config, resolved"),
        (workspace.disagreements, "answers on which judges disagree"),
        (workspace.metrics("all_metrics_summary.csv"), "a row per level"),
        (workspace.metrics("per_inference_request_results.csv"), "a row per request"),
        (workspace.metrics("per_inference_request_results.parquet"), "a row per request, Parquet"),
        (workspace.metrics(""), "all tables"),
        (workspace.requests, "all request records, Parquet"),
        (workspace.figures, "the pictures"),
        (workspace.events_file, "what happened, and when"),
    ]
    written_after = (workspace.report_file, workspace.summary_file)
    for path, what in paths:
        if path.exists() or path in written_after:
            name = path.relative_to(workspace.path).as_posix() + ("/" if path.is_dir() else "")
            yield LinkedFile(quote(name), name, what)
