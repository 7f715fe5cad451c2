"""What is shown of a run while it goes on."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence

from rich.text import Text

from fmbench_lib.cli.level_events import LevelEvents
from fmbench_lib.cli.level_lines import LevelLines
from fmbench_lib.cli.live_frame import frame_of
from fmbench_lib.cli.live_region import LiveRegion, is_live
from fmbench_lib.cli.terminal import behind_line, clean, detail, emit, is_json, is_quiet, say, short_path
from fmbench_lib.host.atomic_files import each_text
from fmbench_lib.host.disk_space import size_text
from fmbench_lib.runs import progress
from fmbench_lib.runs.progress import LevelEvent, LiveLevel
from fmbench_lib.runs.run_orders import is_to_pause
from fmbench_lib.storage.mirror import why_behind
from fmbench_lib.views.live_view import failed_line, finished_line, live_view
from fmbench_lib.workspace import Workspace


class Display:
    """On a terminal a view that is drawn again in place, under a line for each finished level; elsewhere the lines
    alone. `clock` gives seconds."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.monotonic) -> None:
        self._workspace, self._clock = workspace, clock
        self._step, self._begun = "", 0.0
        self._region = LiveRegion(sys.stdout) if is_live(sys.stdout) and not (is_quiet() or is_json()) else None
        self._lines: LevelLines | None = None
        self._ended: list[tuple[str, LevelEvent]] = []  # since the region was last cleared
        self._warned = self._paused = False
        self._without_room = ""
        self._levels = LevelEvents(workspace)

    def update(self, step: str) -> None:
        """Show how far the run is; called a few times a second."""
        if step != self._step:
            self.end()
            self._step, self._begun = step, self._clock()
            if self._region is None:
                detail(f"{step} …")
        self._warn_once()
        figures = progress.read(self._workspace)
        if self._region is not None:
            self._fit(self._region)
        self._report_levels(figures)
        self._tell_pause(figures)
        self._tell_disk(figures)
        if self._region is not None:
            self._draw(self._region, None if figures is None else each_text(figures, clean))

    def end(self) -> None:
        """End the step: leave a line that says how long it took."""
        self._report_levels(None)
        self._clear()
        if self._step:
            seconds = self._clock() - self._begun
            detail(f"{self._step}: {seconds:.1f} s")
            emit("step", step=self._step, duration_s=round(seconds, 3))
        self._step = ""

    def _draw(self, region: LiveRegion, level: LiveLevel | None) -> None:
        view = None if level is None else live_view(level)
        region.draw(frame_of(self._step, self._clock() - self._begun, view, region.width))

    def _report_levels(self, figures: LiveLevel | None) -> None:
        """A line, or an event, for each level that has ended."""
        for event, facts in self._levels.new(figures):
            emit(event, **facts)
            shown = each_text(facts, clean)
            if self._region is None:
                detail(failed_line(shown) if event == "level_failed" else finished_line(shown))
            else:
                self._region.print(self._level_lines(self._region, event, shown))
                self._ended.append((event, shown))

    def _fit(self, region: LiveRegion) -> None:
        """Lay the levels out again where the width of the terminal has changed."""
        if self._ended and self._lines is not None and self._lines.width != region.width:
            region.print_again([line for ended in self._ended for line in self._level_lines(region, *ended)])

    def _clear(self) -> None:
        """Leave what was printed so far as it is."""
        if self._region is not None:
            self._region.clear()
        self._ended = []

    def _level_lines(self, region: LiveRegion, event: str, facts: LevelEvent) -> Sequence[Text]:
        """The lines of a level; with the names of the columns the first time, and where the width has changed."""
        header = []
        if self._lines is None or self._lines.width != region.width:
            self._lines = LevelLines(region.width)
            header = [self._lines.header]
        if event == "level_failed":
            return [*header, *self._lines.failed(facts)]
        figures = facts.get("figures")
        if figures is None:
            return [*header, Text(finished_line(facts))]
        return [*header, *self._lines.lines(figures)]

    def _tell_pause(self, figures: LiveLevel | None) -> None:
        """Say that no further level is measured as the run is to pause, and that it goes on."""
        paused = figures is None and is_to_pause(self._workspace)
        if paused != self._paused:
            self._paused = paused
            self._clear()
            place = shlex.quote(short_path(self._workspace.path))
            say(f"paused; let it go on with: fmbench --resume {place}" if paused else "the run goes on")

    def _tell_disk(self, figures: LiveLevel | None) -> None:
        """Say once for each level that its disk has no room for it, long before that is full."""
        needed, free = (None if figures is None else figures.get(name) for name in ("bytes_needed", "bytes_free"))
        if figures is None or not isinstance(needed, int) or not isinstance(free, int) or needed <= free:
            return
        if figures["label"] != self._without_room:
            self._without_room = figures["label"]
            self._clear()
            room = f"about {size_text(needed)} more on its disk, where {size_text(free)} are free"
            say(f"note: {clean(figures['label'])} needs {room}: it will be stopped before the disk is full, and kept")

    def _warn_once(self) -> None:
        """Say that files could not be sent to the bucket, the first time it happens."""
        reason = None if self._warned else why_behind(self._workspace)
        if reason is not None:
            self._warned = True
            self._clear()
            say(behind_line(self._workspace, reason))
