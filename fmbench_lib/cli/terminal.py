"""What is printed: every line passes here, and the result of a run is put together here."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import each_text, read_json
from fmbench_lib.host.printable import printable
from fmbench_lib.runs.location import is_scratch, keeper_of
from fmbench_lib.runs.run import Run
from fmbench_lib.storage.left_out import left_out
from fmbench_lib.storage.mirror import why_behind
from fmbench_lib.workspace import Workspace


def print_anything() -> None:
    """Let both streams print every text: what their encoding lacks is escaped, as with `LC_ALL=C`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_current_folder() -> None:
    """Raise InputError where the current folder has been deleted."""
    try:
        Path.cwd()
    except OSError:
        raise InputError("the current folder does not exist any more: change to another one") from None


_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
_redactor = Redactor()
_quiet = False
_as_json = False


def set_output(*, quiet: bool = False, as_json: bool = False) -> None:
    """What is printed from now on: `quiet` leaves out all but results and errors; with `as_json` standard output has
    one JSON object a line, as `emit` prints them, and nothing else."""
    global _quiet, _as_json
    _quiet, _as_json = quiet, as_json


def is_quiet() -> bool:
    """Whether only results and errors are printed."""
    return _quiet


def is_json() -> bool:
    """Whether standard output has JSON objects only."""
    return _as_json


def emit(event: str, **facts: Any) -> None:
    """Print an event as one JSON object, without secrets, where the output is JSON; docs/json_output.md lists them."""
    if _as_json:
        print(json.dumps({"event": event, **each_text(facts, _redactor.in_content)}), flush=True)


def hide(redactor: Redactor) -> None:
    """Remove these secrets from everything that is printed from now on."""
    global _redactor
    _redactor = redactor


def clean(text: str) -> str:
    """A text as one line for the terminal: without secrets, control characters and line breaks.

    Secrets are looked for again in what is left: characters that nobody sees may have been within one.
    """
    return _redactor.in_content(printable(_redactor.in_content(text)))


def masked(text: str) -> str:
    """A text of several lines without secrets, for a file."""
    return _redactor.in_content(text)


def say(text: str, *, error: bool = False) -> None:
    """Print one line, cleaned; all that fmbench prints passes here, and `emit`."""
    if error or not _as_json:
        print(clean(text), file=sys.stderr if error else sys.stdout, flush=True)


def say_lines(text: str, *, error: bool = False) -> None:
    """Print a text whose line breaks are our own."""
    for line in _redactor.in_content(text).split("\n"):
        say(line, error=error)


def say_wrapped(text: str) -> None:
    """Print a sentence, on a terminal broken between words."""
    line = clean(text)
    width = shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else 0
    for part in textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) if width > 0 else [line]:
        say(part)


def detail(text: str, *, error: bool = False) -> None:
    """Print one line that is neither result nor error: `--quiet` leaves it out."""
    if not _quiet:
        say(text, error=error)


def print_result(run: Run) -> None:
    """Print the levels, the decision, what needs attention, where the report is, and what still costs money."""
    from fmbench_lib.steps.endpoints.standing_endpoints import standing_lines

    workspace = run.workspace
    if workspace.summary_file.exists():
        _print_summary(workspace, read_json(workspace.summary_file))
    else:
        for failure in workspace.failed_levels():
            level = " · ".join((failure["experiment_name"], failure["payload_file"], failure["load"]))
            say(f"note: {level} was not measured: {failure['error']}")
    for line in standing_lines(workspace):
        say(line)


def _print_summary(workspace: Workspace, summary: Mapping[str, Any]) -> None:
    """Print the table of levels, the decision in two sentences, the notes, and where everything is."""
    from fmbench_lib.cli.level_table import print_levels
    from fmbench_lib.metrics.decision.brief import brief_of

    if not (_quiet or _as_json):
        print_levels(each_text(summary.get("levels", []), clean))
    brief = brief_of(summary["decision"])
    for sentence in brief.sentences:
        say_wrapped(sentence)
    if brief.runner_up:
        say_wrapped(f"runner-up: {brief.runner_up}")
    emit("decision", **summary["decision"], attention=summary["attention"], brief=brief.sentences)
    for line in summary["attention"]:
        say_wrapped(f"note: {line}")
    say(f"report: {_location_of(workspace, workspace.report_file)}")
    if workspace.page_file.exists():
        say(f"page: {_location_of(workspace, workspace.page_file)}")


def write_step_summary(run: Run) -> None:
    """On GitHub Actions add the result to the summary of the job, whose file `GITHUB_STEP_SUMMARY` names."""
    path, workspace = os.environ.get(_STEP_SUMMARY), run.workspace
    if not path or not workspace.summary_file.exists():
        return
    from fmbench_lib.views.step_summary import step_summary

    text = step_summary(run.config.general.name, each_text(read_json(workspace.summary_file), clean))
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        say(f"note: cannot write {path} ({_STEP_SUMMARY}): {error.strerror}", error=True)


def print_location(workspace: Workspace, *, may_delete: bool = False) -> None:
    """Print where the run is kept in S3, or how to send it there.

    With `may_delete`, a directory that is only kept during the run is deleted if the bucket has all of it and nothing
    that the run deployed is left.
    """
    from fmbench_lib.steps.endpoints.standing_endpoints import standing_lines

    keeper = keeper_of(workspace)
    if keeper is None:
        return
    reason = why_behind(workspace)
    if reason is not None:
        say(behind_line(workspace, reason), error=True)
        return
    say(f"kept in: {keeper.address}")
    if may_delete and is_scratch(workspace) and (left := left_out(workspace)):
        say(f"note: {short_path(workspace.path)} stays: the bucket does not get {short_path(left[0])}")
    if may_delete and is_scratch(workspace) and not standing_lines(workspace) and keeper.release(workspace):
        command = f"fmbench report {shlex.quote(str(keeper.address))}"
        say(f"{short_path(workspace.path)} is deleted; {command} fetches it again")


def short_path(path: Path) -> str:
    """A path relative to the current folder where it lies below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def behind_line(workspace: Workspace, reason: str) -> str:
    """That files could not be sent to the run's bucket, and how to send them."""
    path = short_path(workspace.path)
    command = f"fmbench sync {shlex.quote(path)}"
    return f"note: the run's bucket lacks files ({reason}); they are in {path}: send them with {command}"


def _location_of(workspace: Workspace, file: Path) -> str:
    """Where a person finds a file of the run: in its bucket where the directory is kept only during the run."""
    keeper = keeper_of(workspace)
    if keeper is not None and is_scratch(workspace) and why_behind(workspace) is None:
        return str(keeper.address.below(file.name))
    return short_path(file)
