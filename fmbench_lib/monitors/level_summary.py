"""What was true of the machine and of the server during each level.

Momentary values and rates are those within the level's window. What a server counts is its growth over the whole level,
from the last sample before it to the first after it, warm-up included: a server's sums cannot be told apart any finer.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.monitors.level_spans import Span, Told
from fmbench_lib.monitors.samples import Histogram, Series
from fmbench_lib.monitors.tidy_table import Line, Row, increase, labels_text, period_of, unit_of

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
    """One row for each level (`spans`: those of one experiment, in order) and series that has values of it."""
    rows = []
    for place, span in enumerate(spans):
        earlier = spans[place - 1].ended if place else float("-inf")
        later = spans[place + 1].started if place + 1 < len(spans) else float("inf")
        key = span.key._asdict()
        rows += [key | row for row in _level_rows(lines, span, earlier, later)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _level_rows(lines: Sequence[Line], span: Span, earlier: float, later: float) -> Iterator[dict[str, Any]]:
    by_series: dict[Series, list[Line]] = {}
    for line in lines:
        by_series.setdefault(line.series, []).append(line)
    for series, own in by_series.items():
        figures = _figures(series, own, span, earlier, later)
        if figures is not None:
            known = {"source": series.source, "metric": series.metric, "labels": labels_text(series)}
            yield {**known, **figures, "unit": unit_of(series)}


def _figures(
    series: Series, lines: Sequence[Line], span: Span, earlier: float, later: float
) -> dict[str, float | None] | None:
    grown = next((found for line in lines if (found := _growth(line, span, earlier, later)) is not None), None)
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
    """Statistics of values; the mean is by the time that each stands for."""
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
    """What came between the sample before the level and that after it; None where either is missing."""
    if line.series.kind not in ("counter", "histogram"):
        return None
    before = _last(line.points, earlier, span.started) or _first(line.points, span.started, span.window[1])
    after = _first(line.points, span.ended, later)
    if before is None or after is None:
        return None
    if isinstance(before.value, Histogram):
        return increase(before.value, after.value)
    grown = after.value - before.value
    return float(grown) if grown >= 0 else None


def _last(points: Sequence[Told], begin: float, end: float) -> Told | None:
    place = bisect_right(points, end, key=_at) - 1
    return points[place] if place >= 0 and points[place].at >= begin else None


def _first(points: Sequence[Told], begin: float, end: float) -> Told | None:
    place = bisect_left(points, begin, key=_at)
    return points[place] if place < len(points) and points[place].at <= end else None


def _at(point: Told) -> float:
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
    """A quantile by straight lines within its bucket, as Prometheus does it; None where it is beyond the last bound."""
    rank, low, below = share * grown.count, 0.0, 0.0
    for bound, count in grown.buckets:
        if count >= rank:
            if not np.isfinite(bound):
                return None
            return low + (bound - low) * (rank - below) / (count - below) if count > below else bound
        low, below = bound, count
    return None


def joined(frames: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Frames of the same columns as one; those that are empty take no part in it."""
    known = [frame for frame in frames if not frame.empty]
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame(columns=columns)
