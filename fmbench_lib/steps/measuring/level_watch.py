"""What is told of the levels while they are measured: to the run's files, and to the notebook that measures them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from fmbench_lib.errors import LevelStoppedError, explained
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.runs import progress
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.measuring.measured_figures import measured_figures
from fmbench_lib.steps.measuring.remaining_time import RemainingTime
from fmbench_lib.steps.notebook_display.notebook_view import LevelView, view_of_session


class LevelWatch:
    """Follows the levels of a run, one after the other. `clock` gives seconds."""

    def __init__(
        self,
        run: Run,
        missing: Iterable[LevelSpec],
        view: LevelView | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        named = [level for level in missing if level.search_number is None]
        self._run, self._clock = run, clock
        self._left = RemainingTime(named)
        self._named = len(named)
        self._named_begun: set[tuple[str, ...]] = set()
        self._view = view or view_of_session(run)
        self._position, self._begun, self._under_load = (0, 0), 0.0, 0.0
        self._view.waits("preparing the levels")

    def begin(self, level: LevelSpec, position: tuple[int, int]) -> None:
        """A level begins; `position` is its number, and how many there are at most."""
        self._position, self._begun, self._under_load = position, self._clock(), 0.0
        self._count(level)
        self._run.workspace.log_event("level started", **self._event(level))
        self._view.waits(f"level {position[0]} of {position[1]} · {' · '.join(level.key)}: preparing")

    def pause(self) -> None:
        """No level is measured until the run is resumed."""
        self._run.workspace.log_event("run paused")
        self._view.waits(f"paused: goes on with `fmbench --resume {self._run.workspace.path}`")

    def go_on(self) -> None:
        """The run is resumed."""
        self._run.workspace.log_event("run goes on")
        self._view.waits("preparing the next level")

    def skip(self, level: LevelSpec) -> None:
        """The level is not measured, as its experiment was not deployed."""
        self._count(level)

    def show(self, level: LevelSpec, figures: LiveFigures) -> None:
        """Publish how far the level is."""
        number, count = self._position
        self._under_load = figures.elapsed
        searched = (count - number) - (self._named - len(self._named_begun))
        after = self._left.after(figures, searched)
        left = None if after is None or figures.time_left is None else after + figures.time_left
        published = progress.live_level(level.key, number, count, figures, left, at_most=searched > 0)
        progress.publish(self._run.workspace, published)
        self._view.show(published)

    def measured(self, level: LevelSpec, facts: LevelFacts) -> None:
        """The level is measured: report its figures."""
        figures = measured_figures(self._run, self._run.workspace.level(level.key))
        latency = None if figures is None else figures["latency_mean"]
        self._left.ended(level.key, self._clock() - self._begun, self._under_load, latency)
        event: progress.LevelEvent = {
            **self._event(level),
            "attempt": facts["attempt"],
            "stop_reason": facts["stop_reason"],
            "figures": figures,
        }
        progress.clear(self._run.workspace)  # or these figures would be shown until the next level has some
        self._run.workspace.log_event("level measured", **event)
        self._view.measured(event)

    def failed(self, level: LevelSpec, error: Exception) -> None:
        """The level could not be measured."""
        progress.clear(self._run.workspace)
        event: progress.LevelEvent = {**self._event(level), "error": explained(error)}
        self._run.workspace.log_event("level failed", **event)
        self._view.failed(event)

    def stopped(self, level: LevelSpec, stopped: LevelStoppedError) -> None:
        """The level was ended before its end, and will go on."""
        progress.clear(self._run.workspace)
        told = {"kept": stopped.kept, "reason": stopped.reason}
        self._run.workspace.log_event("level stopped", **self._event(level), **told)
        self._view.waits(f"{' · '.join(level.key)}: {stopped}")

    def end(self) -> None:
        """Nothing is being measured any more."""
        progress.clear(self._run.workspace)
        self._view.end()

    def _count(self, level: LevelSpec) -> None:
        """Take a level from those to come."""
        if level.search_number is None:
            self._named_begun.add(level.key)
        self._left.begin(level)

    def _event(self, level: LevelSpec) -> progress.LevelEvent:
        return progress.event_of(level.key, *self._position)
