"""The level that is being measured, and the run around it, in the texts of the live view."""

from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.metrics.missing import number
from fmbench_lib.report.numbers import MISSING, count, significant
from fmbench_lib.runs.progress import LevelEvent, LiveLevel, duration
from fmbench_lib.views.level_cells import about, load_text, place_of, plain_line


@dataclass(frozen=True, slots=True)
class LiveView:
    """`share` is how much of the level is done, 0 to 1, None where its end is not known; `figures` have no order of
    importance and may be wrapped between any two."""

    position: str
    level: str
    share: float | None
    requests: str
    figures: tuple[str, ...]
    left: tuple[str, ...]


def live_view(level: LiveLevel) -> LiveView:
    """The view of a level as `runs/progress` publishes it."""
    done, total = number(level, "done"), number(level, "total")
    errors = level["errors"]
    of = "" if total is None else f"/{count(total)}"
    return LiveView(
        position=f"level {count(level['number'])} of {count(level['count'])}",
        level=" · ".join([*place_of(level), load_text(_named(level))]),
        share=_share(level, done, total),
        requests=f"{count(done)}{of} requests",
        figures=(
            f"{significant(number(level, 'request_rate'))} req/s",
            f"{count(errors)} error{'' if errors == 1 else 's'}",
            f"TTFT p50 {about(number(level, 'ttft_p50'))}",
            f"latency p95 {about(number(level, 'latency_p95'))}",
            f"{_approximate(number(level, 'token_rate'))} tok/s",
        ),
        left=(f"level: {_left(level, 'time_left')}", f"run: {_run_left(level)}"),
    )


def finished_line(facts: LevelEvent) -> str:
    """A level that was measured, from its event, in a line for logs."""
    figures = facts.get("figures")
    if figures is None:
        return f"{_position(facts)} {facts['level']}: measured; its figures follow in the report"
    return f"{_position(facts)} {plain_line(figures)}"


def failed_line(facts: LevelEvent) -> str:
    """A level that could not be measured, from its event."""
    return f"{_position(facts)} {facts['level']}: not measured: {facts['error']}"


def _position(facts: LevelEvent) -> str:
    return f"level {facts['number']}/{facts['count']}" if facts.get("number") else "level"


def _named(level: LiveLevel) -> dict[str, object]:
    """Without the rate so far, which is called like the rate that a level asks for."""
    return {name: value for name, value in level.items() if name != "request_rate"}


def _share(level: LiveLevel, done: float | None, total: float | None) -> float | None:
    elapsed, left = number(level, "elapsed"), number(level, "time_left")
    by_time = elapsed / (elapsed + left) if elapsed is not None and left is not None and elapsed + left > 0 else None
    by_count = done / total if total and done is not None else None
    known = [share for share in (by_time, by_count) if share is not None]
    return min(max(known), 1.0) if known else None


def _approximate(value: float | None) -> str:
    return MISSING if value is None else f"≈ {significant(value)}"


def _left(level: LiveLevel, name: str) -> str:
    value = number(level, name)
    return f"{MISSING} left" if value is None else f"{duration(value)} left"


def _run_left(level: LiveLevel) -> str:
    how = "at most" if level.get("run_left_at_most") else "about"
    value = number(level, "run_left")
    return f"{MISSING} left" if value is None else f"{how} {duration(value)} left"
