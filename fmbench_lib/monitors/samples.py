"""Raw samples: what each source read and when, in files of JSON lines that may end at any byte.

A line is a series (`{"series": …}`, once), a sample (`{"time": …, "values": {series: value}}`) or a note. Times are
Unix seconds, with the monotonic clock beside them; what could not be read has no value.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

Kind = Literal["gauge", "counter", "histogram", "rate"]


@dataclass(frozen=True, slots=True)
class Series:
    """What is measured. `unit` is that of the value: a counter grows, a `rate` is per second over the number of seconds
    in its label `period_s`."""

    source: str
    metric: str
    kind: Kind
    unit: str
    labels: tuple[tuple[str, str], ...] = ()

    def label(self, name: str) -> str | None:
        """The value of a label; None if the series has no such label."""
        return dict(self.labels).get(name)


@dataclass(frozen=True, slots=True)
class Histogram:
    """What a server has counted since it started: sum and number of the values, and how many were at most each bound.

    Without buckets it is a sum and a number, whose quotient is a mean or a share.
    """

    total: float
    count: float
    buckets: tuple[tuple[float, float], ...] = ()


Value = float | Histogram


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a series."""

    series: Series
    value: Value


class Point(NamedTuple):
    """A value and when it was read; `monotonic` is None if the time comes from another machine."""

    time: float
    monotonic: float | None
    value: Value


@dataclass(frozen=True, slots=True)
class Track:
    """A series with its points in one file."""

    series: Series
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Note:
    """A remark of a source about itself, such as why it has no values."""

    time: float
    source: str
    text: str


@dataclass(frozen=True, slots=True)
class Samples:
    """The content of some sample files."""

    tracks: list[Track] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def reading_of(
    source: str, metric: str, kind: Kind, unit: str, value: Value, labels: Mapping[str, str] | None = None
) -> Reading:
    """A reading of a series with these properties, its labels sorted by name."""
    return Reading(Series(source, metric, kind, unit, tuple(sorted((labels or {}).items()))), value)


class SampleWriter:
    """Writes samples as they arrive; safe for several threads."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._ids: dict[Series, int] = {}
        self._lock = threading.Lock()

    def write(self, time: float, monotonic: float | None, readings: Iterable[Reading]) -> None:
        """Write the readings of one moment (Unix and monotonic seconds); values that are not finite are left out."""
        with self._lock:
            values = {}
            for reading in readings:
                value = _plain(reading.value)
                if value is not None:
                    values[str(self._id(reading.series))] = value
            if values:
                self._line({"time": time, "monotonic": monotonic, "values": values})

    def note(self, time: float, source: str, text: str) -> None:
        """Write a remark of a source."""
        with self._lock:
            self._line({"time": time, "source": source, "note": text})

    def _id(self, series: Series) -> int:
        if series not in self._ids:
            self._ids[series] = len(self._ids)
            described = {name: getattr(series, name) for name in ("source", "metric", "kind", "unit")}
            self._line({"series": {"id": self._ids[series], **described, "labels": dict(series.labels)}})
        return self._ids[series]

    def _line(self, content: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(content, allow_nan=False, separators=(",", ":")) + "\n")
        self._file.flush()


def _plain(value: Value) -> Any:
    """A value in JSON's types; None if it is not finite. The bucket without an upper bound has the bound null."""
    if not isinstance(value, Histogram):
        return value if math.isfinite(value) else None
    if not (math.isfinite(value.total) and math.isfinite(value.count)):
        return None
    buckets = [[None if math.isinf(bound) else bound, count] for bound, count in value.buckets]
    return [value.total, value.count, buckets]


def read_samples(paths: Iterable[Path]) -> Samples:
    """The content of these files, each series of each file in order of time; truncated lines are skipped."""
    samples = Samples()
    for path in paths:
        _read_file(path, samples)
    samples.notes.sort(key=lambda note: note.time)
    return samples


def _read_file(path: Path, samples: Samples) -> None:
    series: dict[str, Series] = {}
    points: dict[str, list[Point]] = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                content = json.loads(line)
            except ValueError:
                continue  # the process was killed while writing
            if "series" in content:
                given = content["series"]
                labels = tuple(sorted(given["labels"].items()))
                known = Series(given["source"], given["metric"], given["kind"], given["unit"], labels)
                series[str(given["id"])] = known
            elif "values" in content:
                time, monotonic = content["time"], content["monotonic"]
                for key, value in content["values"].items():
                    points.setdefault(key, []).append(Point(time, monotonic, _value(value)))
            elif "note" in content:
                samples.notes.append(Note(content["time"], content["source"], content["note"]))
    for key, unsorted in points.items():
        samples.tracks.append(Track(series[key], sorted(unsorted, key=_moment)))


def _moment(point: Point) -> float:
    return point.time if point.monotonic is None else point.monotonic


def _value(plain: Any) -> Value:
    if not isinstance(plain, list):
        return float(plain)
    total, count, buckets = plain
    return Histogram(total, count, tuple((math.inf if bound is None else bound, n) for bound, n in buckets))
