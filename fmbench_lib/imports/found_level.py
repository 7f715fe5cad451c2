"""What a result file says of one level, in our columns and units: seconds, tokens, requests per second, USD."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

from fmbench_lib.errors import InputError
from fmbench_lib.metrics.finding import Finding
from fmbench_lib.metrics.groups.level_times import ALL_QUANTILES

Form: TypeAlias = Literal["summary", "requests", "batches", "table"]
"""What a file holds of a level: figures, single requests, batches of requests, or figures rounded for a table."""

PERCENTILES = tuple(ALL_QUANTILES)
"""Those that a level has columns for, as tools name them too."""

_UNITS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "s/token": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3, "ms/token": 1e-3,
    "us": 1e-6, "µs": 1e-6, "microseconds": 1e-6,
    "ns": 1e-9, "nsec": 1e-9, "nanoseconds": 1e-9,
}  # fmt: skip
"""Seconds in one of each unit of time that tools write."""


MOST = 2.0**53
"""A greater number cannot be told from the next one: it is no count."""


class Figure(NamedTuple):
    """A figure that the tool printed: our column and its value in our unit, and its name and value in the file."""

    column: str
    value: float
    name: str
    printed: float


class RequestTimes(NamedTuple):
    """One request. Times are durations in seconds; None for what the file does not say.

    `start`: Unix seconds, or seconds of any clock that all requests share · `ttft`, `latency`: from `start` · `gaps`:
    between the content events after the first · `error`: one of `ERROR_CLASSES`, None for a success · `streamed`: None
    where a TTFT tells it · `answer`: whether any content came.
    """

    start: float | None = None
    ttft: float | None = None
    latency: float | None = None
    gaps: tuple[float, ...] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None
    error_message: str | None = None
    streamed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLevel:
    """A level as one file describes it.

    `experiment`, `model`, `dataset`, `load`: names, None where the file has none · `place`: where in the file ·
    `evidence`: further figures that the verdict looks at, by the names of `metrics.checks.imported_checks`, in our
    units · `findings`: what the reader knows to be wrong with the tool's figures.
    """

    form: Form
    tool: str
    place: str = ""
    version: str | None = None
    experiment: str | None = None
    model: str | None = None
    dataset: str | None = None
    instance_type: str | None = None
    instance_count: int | None = None
    concurrency: int | None = None
    request_rate: float | None = None
    load: str | None = None
    figures: tuple[Figure, ...] = ()
    requests: tuple[RequestTimes, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def value(self, column: str) -> float | None:
        """A printed figure by our column; None where the tool printed none."""
        return next((figure.value for figure in self.figures if figure.column == column), None)


def number_in(content: Mapping[str, Any], *keys: str) -> float | None:
    """The finite number at a path of keys, also where it is written as text; None where there is none."""
    value: Any = content
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return as_number(value)


def as_number(value: Any) -> float | None:
    """A finite number, also of a text such as `1,234.5`; None for anything else."""
    if isinstance(value, str):
        value = value.replace(",", "").strip()
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole(value: float | None) -> int | None:
    """A count; None for none, one that is not whole, or one beyond what a count can be."""
    return int(value) if value is not None and abs(value) <= MOST and value == int(value) else None


def text_in(content: Mapping[str, Any], *keys: str) -> str | None:
    """The first text under one of these keys that is not empty."""
    found = (content.get(key) for key in keys)
    return next((value.strip() for value in found if isinstance(value, str) and value.strip()), None)


def figure(column: str, name: str, printed: float | None, factor: float = 1.0) -> list[Figure]:
    """A figure as a list of one; an empty list where the tool printed none, or what no time, rate or number can be: one
    below 0, a duration of 0, by which a rate would be divided, or a share of failures above 1."""
    if printed is None or printed < 0:
        return []
    if (column == "window_s" and printed == 0) or (column == "error_rate" and printed * factor > 1):
        return []
    return [Figure(column, printed * factor, name, printed)]


def figures_at(
    content: Mapping[str, Any], columns: Mapping[str, str], factor: float = 1.0, prefix: str = ""
) -> list[Figure]:
    """The figures that stand under these keys, by our columns."""
    found = (figure(column, f"{prefix}{key}", number_in(content, key), factor) for column, key in columns.items())
    return [one for each in found for one in each]


def seconds_in(unit: str | None, where: str) -> float:
    """Seconds in one of a unit of time; raises InputError for a unit that is none."""
    known = _UNITS.get((unit or "").strip().lower())
    if known is None:
        raise InputError(f"{where}: {unit or 'no unit'} is no unit of time; known are {', '.join(_UNITS)}")
    return known


def numbers_of(values: Any) -> list[float | None]:
    """The numbers of a list, each None where it is none; an empty list where there is no list."""
    return (
        [as_number(value) for value in values] if isinstance(values, Sequence) and not isinstance(values, str) else []
    )


def evidence_of(pairs: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """The figures that are known."""
    return {name: value for name, value in pairs if value is not None}
