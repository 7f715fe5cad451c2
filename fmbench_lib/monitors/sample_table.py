"""The table of all samples: a row for each value, and for counters a row for each interval between two samples."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pandas as pd

from fmbench_lib.monitors.level_spans import Span, TimedValue, on_level_clock
from fmbench_lib.monitors.samples import Histogram, Series, Track

COLUMNS = ["time", "experiment", "source", "metric", "labels", "value", "unit"]


@dataclass(frozen=True, slots=True)
class Row:
    """One value over the time from `since` to `at` (equal for a momentary value), in Unix seconds."""

    series: Series
    since: float
    at: float
    value: float

    @property
    def middle(self) -> float:
        """The moment that decides which level the value belongs to."""
        return (self.since + self.at) / 2


@dataclass(frozen=True, slots=True)
class Line:
    """A series of one file on the clock of the levels, with its rows."""

    series: Series
    points: Sequence[TimedValue]
    rows: Sequence[Row]


def lines_of(tracks: Sequence[Track], spans: Sequence[Span]) -> list[Line]:
    """Each track with its rows; `spans` are the levels of the experiment, in order."""
    lines = []
    for track in tracks:
        points = on_level_clock(track.points, spans)
        lines.append(Line(track.series, points, list(_rows(track.series, points))))
    return lines


def _rows(series: Series, points: Sequence[TimedValue]) -> Iterator[Row]:
    if series.kind in ("gauge", "rate"):
        half = period_of(series) / 2
        for point in points:
            yield Row(series, point.at - half, point.at + half, point.value)
        return
    for before, after in pairwise(points):
        if before.set_back != after.set_back:  # there is a time between them that no level has
            continue
        if series.kind == "counter":
            passed, grown = after.at - before.at, after.value - before.value
            if passed > 0 and grown >= 0:  # less than before: the server restarted
                yield Row(series, before.at, after.at, grown / passed)
        else:
            grown_by = increase(before.value, after.value)
            if grown_by is not None and grown_by.count > 0:
                yield Row(series, before.at, after.at, grown_by.total / grown_by.count)


def period_of(series: Series) -> float:
    """The seconds that each value of a series covers; 0 for a momentary value."""
    return float(series.label("period_s") or 0.0)


def increase(before: Histogram, after: Histogram) -> Histogram | None:
    """The growth of a histogram between two reads; None if the server restarted in between."""
    if after.count < before.count or after.total < before.total - 1e-9:
        return None
    earlier = dict(before.buckets)
    buckets = tuple((bound, count - earlier.get(bound, 0.0)) for bound, count in after.buckets)
    return Histogram(after.total - before.total, after.count - before.count, buckets)


def unit_of(series: Series) -> str:
    """The unit of a series' rows: that of a counter is per second."""
    return f"{series.unit}/s" if series.kind in ("counter", "rate") else series.unit


def labels_text(series: Series) -> str:
    """The labels as JSON; empty without any."""
    return json.dumps(dict(series.labels), ensure_ascii=False) if series.labels else ""


def samples_frame(lines: Sequence[tuple[str, Line]]) -> pd.DataFrame:
    """All rows of these lines (each with the name of its experiment) in the columns of `endpoint_metrics.csv`."""
    rows = []
    for experiment, line in lines:
        series, labels, unit = line.series, labels_text(line.series), unit_of(line.series)
        for row in line.rows:
            at = row.middle if series.kind in ("gauge", "rate") else row.at
            rows.append((at, experiment, series.source, series.metric, labels, row.value, unit))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("time", kind="stable", ignore_index=True)
