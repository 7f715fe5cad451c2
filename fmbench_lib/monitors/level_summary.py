"""Statistics of the machine and the server during each level.

Momentary values and rates are those within the level's window. A counter is its growth over the whole level, warm-up
included, from the last sample before it to the first after it: a server's sums cannot be split any finer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from fmbench_lib.monitors.level_spans import Span, TimedValue
from fmbench_lib.monitors.sample_table import Line, Row, increase, labels_text, period_of, unit_of
from fmbench_lib.monitors.samples import Histogram, Series

COLUMNS = [
    "experiment_name",
    "payload_file",
    "load",
    "source",
    "metric",
    "labels",
    "n",
    "mean",
    "min",
    "p50",
    "p95",
    "max",
    "last",
    "total",
    "unit",
]


def summary_frame(lines: Sequence[Line], spans: Sequence[Span]) -> pd.DataFrame:
    """One row for each level (`spans`: those of one experiment, in order) and each series with values in it."""
    rows = []
    for index, span in enumerate(spans):
        earlier = spans[index - 1].ended if index else float("-inf")
        later = spans[index + 1].started if index + 1 < len(spans) else float("inf")
        key = span.key._asdict()
        rows += [key | row for row in _level_rows(lines, span, earlier, later)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _level_rows(
    lines: Sequence[Line], span: Span, earlier: float, later: float
) -> Iterator[dict[str, str | float | None]]:
    by_series: dict[Series, list[Line]] = {}
    for line in lines:
        by_series.setdefault(line.series, []).append(line)
    for series, same_series in by_series.items():
        figures = _figures(series, same_series, span, earlier, later)
        if figures is not None:
            known = {"source": series.source, "metric": series.metric, "labels": labels_text(series)}
            yield {**known, **figures, "unit": unit_of(series)}


def _figures(
    series: Series, lines: Sequence[Line], span: Span, earlier: float, later: float
) -> dict[str, float | None] | None:
    growths = (_growth(line, span, earlier, later) for line in lines)
    grown = next((growth for growth in growths if growth is not None), None)
    if series.kind == "histogram":
        return None if not isinstance(grown, Histogram) or not grown.count else _of_histogram(grown)
    begin, end = (span.started, span.ended) if period_of(series) else span.window
    rows = [row for line in lines for row in _within(line.rows, begin, end)]
    if not rows:  # a level shorter than the interval may still have been counted
        return {"n": 0, "total": grown} if isinstance(grown, float) else None
    known = _of_rows(rows)
    if series.kind == "rate":
        known["total"] = sum(row.value * (row.at - row.since) for row in rows)
    elif isinstance(grown, float):
        known["total"] = grown
    return known


def _of_rows(rows: Sequence[Row]) -> dict[str, float | None]:
    """Statistics of values; the mean is weighted by the time that each covers."""
    values = np.array([row.value for row in rows])
    weights = np.array([row.at - row.since for row in rows])
    return {
        "n": len(rows),
        "mean": float(np.average(values, weights=weights) if weights.sum() > 0 else values.mean()),
        "min": float(values.min()),
        "p50": float(np.percentile(values, 50)),
        "p95": float(np.percentile(values, 95)),
        "max": float(values.max()),
        "last": float(values[-1]),
    }


def _growth(line: Line, span: Span, earlier: float, later: float) -> Histogram | float | None:
    """The growth between the sample before the level and the one after it; None if either is missing."""
    ends = edges_of(line, span, earlier, later) if line.series.kind in ("counter", "histogram") else None
    if ends is None:
        return None
    before, after = ends
    if isinstance(before.value, Histogram):
        return increase(before.value, after.value)
    grown = after.value - before.value
    return float(grown) if grown >= 0 else None


def edges_of(line: Line, span: Span, earlier: float, later: float) -> tuple[TimedValue, TimedValue] | None:
    """The last sample before a level (else the first in it) and the first after it, none of them in another level; None
    if either is missing, and for a level that was stopped and continued: its counters grew between its parts too."""
    if span.parts:
        return None
    before = _last(line.points, earlier, span.started)
    if before is None or before.set_back:
        before = _first(line.points, span.started, span.window[1])
    after = _first(line.points, span.ended, later)
    return None if before is None or after is None else (before, after)


def _last(points: Sequence[TimedValue], begin: float, end: float) -> TimedValue | None:
    index = bisect_right(points, end, key=_at) - 1
    return points[index] if index >= 0 and points[index].at >= begin else None


def _first(points: Sequence[TimedValue], begin: float, end: float) -> TimedValue | None:
    index = bisect_left(points, begin, key=_at)
    return points[index] if index < len(points) and points[index].at <= end else None


def _at(point: TimedValue) -> float:
    return point.at


def _within(rows: Sequence[Row], begin: float, end: float) -> Sequence[Row]:
    return rows[bisect_left(rows, begin, key=_middle) : bisect_right(rows, end, key=_middle)]


def _middle(row: Row) -> float:
    return row.middle


def _of_histogram(grown: Histogram) -> dict[str, float | None]:
    return {
        "n": grown.count,
        "mean": grown.total / grown.count,
        "p50": quantile(grown, 0.5),
        "p95": quantile(grown, 0.95),
    }


def quantile(grown: Histogram, share: float) -> float | None:
    """A quantile, interpolated linearly within its bucket as Prometheus does; None beyond the last finite bound."""
    rank, low, below = share * grown.count, 0.0, 0.0
    for bound, count in grown.buckets:
        if count >= rank:
            if not np.isfinite(bound):
                return None
            return low + (bound - low) * (rank - below) / (count - below) if count > below else bound
        low, below = bound, count
    return None


def joined(frames: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Frames of the same columns as one, without the empty ones, which would decide the types of columns."""
    known = [frame for frame in frames if not frame.empty]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=columns)
