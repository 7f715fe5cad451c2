"""What a terminal shows while a run goes on."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from fmbench_lib.runs import progress as live
from fmbench_lib.runs.location import is_scratch, keeper_of
from fmbench_lib.runs.run import Run
from fmbench_lib.storage.mirror import why_behind
from fmbench_lib.workspace import Workspace

_PLAIN_SECONDS = 10.0


class Display:
    """A line that is kept up to date on a terminal; plain lines, now and then, elsewhere."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._step = ""
        self._begun = 0.0
        self._live = sys.stdout.isatty()
        self._last_plain = 0.0
        self._last_level: Any = None
        self._said = False

    def look(self, step: str) -> None:
        """Show where the run is; called a few times a second."""
        now = time.monotonic()
        if step != self._step:
            self.end()
            self._step, self._begun = step, now
            if not self._live:
                print(f"{step} …", flush=True)
        self._say_what_is_behind()
        figures = live.read(self._run.workspace)
        text = live.line(figures) if figures else f"{now - self._begun:.0f} s"
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write("\r\x1b[K" + f"{step}: {text}"[:width])
            sys.stdout.flush()
        elif figures and (figures["number"] != self._last_level or now - self._last_plain > _PLAIN_SECONDS):
            self._last_plain, self._last_level = now, figures["number"]
            print(f"  {text}", flush=True)

    def _say_what_is_behind(self) -> None:
        """Once, when the bucket begins to lack something."""
        said = None if self._said else why_behind(self._run.workspace)
        if said is not None:
            self._said = True
            sys.stdout.write("\r\x1b[K" if self._live else "")
            print(behind_line(self._run.workspace, said), flush=True)

    def end(self) -> None:
        """The step is over: leave one line that says how long it took."""
        if self._step:
            seconds = time.monotonic() - self._begun
            sys.stdout.write(("\r\x1b[K" if self._live else "") + f"{self._step}: {seconds:.1f} s\n")
            sys.stdout.flush()
        self._step = ""


def shown(path: Path) -> str:
    """A path as short as it can be shown."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def behind_line(workspace: Workspace, said: str) -> str:
    """That the bucket lacks something of a run, why, and what to do."""
    where = shown(workspace.path)
    return f"note: the run's bucket lacks something ({said}); it is kept in {where}: fmbench sync {where} sends it"


def report_place(workspace: Workspace) -> str:
    """Where the report of a run stays."""
    keeper = keeper_of(workspace)
    if keeper is not None and is_scratch(workspace) and why_behind(workspace) is None:
        return str(keeper.address.below(workspace.report_file.name))
    return shown(workspace.report_file)
