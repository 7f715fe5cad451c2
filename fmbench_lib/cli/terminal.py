"""What is printed of a run: while it goes on, and at its end."""

from __future__ import annotations

import io
import json
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmbench_lib.cli.level_events import LevelEvents
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import each_text, read_json
from fmbench_lib.host.printable import printable
from fmbench_lib.runs import progress
from fmbench_lib.runs.location import is_scratch, keeper_of
from fmbench_lib.runs.run import Run
from fmbench_lib.storage.left_out import left_out
from fmbench_lib.storage.mirror import why_behind
from fmbench_lib.workspace import LevelKey, Workspace

_PLAIN_SECONDS = 10.0


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


_CLEAR_LINE = "\r\x1b[K"
_redactor = Redactor()
_quiet = False
_as_json = False


def set_output(*, quiet: bool = False, as_json: bool = False) -> None:
    """What is printed from now on: `quiet` leaves out all but results and errors; with `as_json` standard output has
    one JSON object a line, as `emit` prints them, and nothing else."""
    global _quiet, _as_json
    _quiet, _as_json = quiet, as_json


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


def say(text: str, *, error: bool = False) -> None:
    """Print one line, cleaned; all that fmbench prints passes here, and `emit`."""
    if error or not _as_json:
        print(clean(text), file=sys.stderr if error else sys.stdout, flush=True)


def say_lines(text: str, *, error: bool = False) -> None:
    """Print a text whose line breaks are our own."""
    for line in _redactor.in_content(text).split("\n"):
        say(line, error=error)


def detail(text: str, *, error: bool = False) -> None:
    """Print one line that is neither result nor error: `--quiet` leaves it out."""
    if not _quiet:
        say(text, error=error)


class Display:
    """A line that is kept up to date on a terminal; elsewhere plain lines, for each level and every ten seconds."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._step = ""
        self._begun = 0.0
        self._live = sys.stdout.isatty() and not (_quiet or _as_json)
        self._last_plain = 0.0
        self._last_level: int | None = None
        self._warned = False
        self._levels = LevelEvents(run.workspace)

    def update(self, step: str) -> None:
        """Show how far the run is; called a few times a second."""
        now = time.monotonic()
        if step != self._step:
            self.end()
            self._step, self._begun = step, now
            if not self._live:
                detail(f"{step} …")
        self._warn_once()
        figures = progress.read(self._run.workspace)
        self._emit_levels(figures)
        text = progress.line(figures) if figures else f"{now - self._begun:.0f} s"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(_CLEAR_LINE + clean(f"{step}: {text}")[:width])
            sys.stdout.flush()
        elif figures and (figures["number"] != self._last_level or now - self._last_plain > _PLAIN_SECONDS):
            self._last_plain, self._last_level = now, figures["number"]
            detail(f"  {text}")

    def _emit_levels(self, figures: Mapping[str, Any] | None) -> None:
        if _as_json:
            for event, facts in self._levels.new(figures):
                emit(event, **facts)

    def _warn_once(self) -> None:
        """Say that files could not be sent to the bucket, the first time it happens."""
        reason = None if self._warned else why_behind(self._run.workspace)
        if reason is not None:
            self._warned = True
            sys.stdout.write(_CLEAR_LINE if self._live else "")
            say(_behind_line(self._run.workspace, reason))

    def end(self) -> None:
        """End the step: leave a line that says how long it took."""
        self._emit_levels(None)
        if self._step:
            seconds = time.monotonic() - self._begun
            sys.stdout.write(_CLEAR_LINE if self._live else "")
            detail(f"{self._step}: {seconds:.1f} s")
            emit("step", step=self._step, duration_s=round(seconds, 3))
        self._step = ""


def print_result(run: Run) -> None:
    """Print the decision, what needs attention, where the report is, and what still costs money."""
    from fmbench_lib.steps.standing_endpoints import standing_lines

    workspace = run.workspace
    if workspace.summary_file.exists():
        summary = read_json(workspace.summary_file)
        say(summary["decision"]["text"])
        emit("decision", **summary["decision"], attention=summary["attention"])
        for line in summary["attention"]:
            say(f"note: {line}")
        say(f"report: {_report_location(workspace)}")
    else:
        for failure in workspace.failed_levels():
            level = " · ".join(str(failure[name]) for name in LevelKey._fields)
            say(f"note: {level} was not measured: {failure['error']}")
    for line in standing_lines(workspace):
        say(line)


def print_location(workspace: Workspace, *, may_delete: bool = False) -> None:
    """Print where the run is kept in S3, or how to send it there.

    With `may_delete`, a directory that is only kept during the run is deleted if the bucket has all of it and nothing
    that the run deployed is left.
    """
    from fmbench_lib.steps.standing_endpoints import standing_lines

    keeper = keeper_of(workspace)
    if keeper is None:
        return
    reason = why_behind(workspace)
    if reason is not None:
        say(_behind_line(workspace, reason), error=True)
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


def _behind_line(workspace: Workspace, reason: str) -> str:
    path = short_path(workspace.path)
    command = f"fmbench sync {shlex.quote(path)}"
    return f"note: the run's bucket lacks files ({reason}); they are in {path}: send them with {command}"


def _report_location(workspace: Workspace) -> str:
    keeper = keeper_of(workspace)
    if keeper is not None and is_scratch(workspace) and why_behind(workspace) is None:
        return str(keeper.address.below(workspace.report_file.name))
    return short_path(workspace.report_file)
