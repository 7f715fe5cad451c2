"""Whether the client, or the machine that it runs on, stood still during a level, or the level was
stopped and continued."""

from __future__ import annotations

from collections.abc import Iterator

from fmbench_lib.metrics.finding import Finding, Level, in_seconds
from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.metrics.thresholds import Thresholds


def suspension(row: Row, _limits: Thresholds) -> Iterator[Finding]:
    """A suspended machine, as a closed laptop: its clock stood still, and the endpoint went on."""
    seconds = number(row, "client_suspended_s")
    if seconds:
        reason = f"the client's machine was suspended for {in_seconds(seconds)} during the level"
        yield Finding("invalid", f"{reason}, which no time of its requests shows: measure again", client=True)


def stopped_client(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """A load worker that did not run, as after SIGSTOP: what was due was sent late."""
    seconds, window = number(row, "client_stopped_s"), number(row, "window_s")
    if seconds is None or seconds <= limits.stopped_degraded:
        return
    share = None if not window else seconds / window
    worst: Level = "degraded" if share is not None and share <= limits.stopped_invalid else "invalid"
    beside = "" if share is None else f", {share:.0%} of the window"
    reason = f"a load worker did not run for {in_seconds(seconds)}{beside}, as it was stopped or had no CPU time"
    yield Finding(worst, f"{reason}, and sent late what was due meanwhile: measure again", client=True)


def parts(row: Row, _limits: Thresholds) -> Iterator[Finding]:
    """A level that was stopped and continued: what was measured of it counts."""
    count, gap = number(row, "parts"), number(row, "parts_gap_s")
    if count and gap is not None:
        reason = f"it was measured in {count:.0f} parts with {in_seconds(gap)} between them, which is in no figure"
        yield Finding("valid", f"{reason} (each began with a warm-up)")
