"""The requests as a page holds them: thinned distributions with whole tails, a sample, and single timelines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from fmbench_lib.metrics.drawn_requests import MEASURES, KeptRanks, thinned
from fmbench_lib.metrics.missing import number, rows_of, text
from fmbench_lib.metrics.repeated_levels import level_of
from fmbench_lib.metrics.request_timelines import Timeline
from fmbench_lib.report.html.level_values import clean, short
from fmbench_lib.report.html.page_shapes import Distribution, LevelTimeline, RequestPoints, RequestTimeline
from fmbench_lib.report.level_order import Rows, counted

AllRanks: TypeAlias = Mapping[tuple[str, str, str], Mapping[str, KeptRanks]]
"""Distributions by `level_of` and measure."""
MOST_POINTS = 4000
MOST_EVENTS = 400
"""Events of a timeline: of more, those around the longest gaps and an even choice of the others."""
_STEP = 1e5
"""Times within a timeline are whole numbers of 10 µs."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


def distributions(rows: Rows, requests: pd.DataFrame, known: AllRanks) -> list[dict[str, Distribution]]:
    """For each level, in order: of each measure `n`, and the kept `values` (s) with their `ranks`; those `known` are of
    all requests where `requests` has only some."""
    return [
        {name: shown_distribution(kept) for name, kept in known[level_of(row)].items()}
        if level_of(row) in known
        else {name: shown_distribution(thinned(values)) for name in MEASURES if len(values := _known(own, name))}
        for row, own in zip(rows, _by_level(rows, requests), strict=True)
    ]


def shown_distribution(kept: KeptRanks) -> Distribution:
    """A thinned distribution: `n`, and the kept `values` (s) with their `ranks`."""
    return {"n": kept.n, "ranks": kept.ranks.tolist(), "values": [short(float(value)) for value in kept.values]}


def request_points(rows: Rows, requests: pd.DataFrame, sampled: AllRanks) -> RequestPoints:
    """A sample of the successes, evenly over each level: position of the level, prompt tokens, and each measure.

    `of` is how many there are, of those `sampled` by the figures of the level.
    """
    per_level = max(10, MOST_POINTS // max(len(rows), 1))
    points: list[list[float | int | None]] = []
    of = 0
    for position, own in enumerate(_by_level(rows, requests)):
        known = own[["prompt_token_count", *MEASURES]].dropna(subset=["prompt_token_count"])
        of += int(number(rows[position], "prompt_token_n") or 0) if level_of(rows[position]) in sampled else len(known)
        chosen = np.unique(np.linspace(0, max(len(known) - 1, 0), min(len(known), per_level)).round().astype(int))
        for row in rows_of(known.iloc[list(map(int, chosen))]):
            figures = [short(number(row, name)) for name in MEASURES]
            points.append([position, int(row["prompt_token_count"]), *figures])
    return {"of": of, "points": points}


def _by_level(rows: Rows, requests: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The requests of each level that latency statistics are about."""
    known = counted(requests)
    groups = {} if known.empty else dict(iter(known.groupby(["experiment_name", "payload_file", "load"], sort=False)))
    for row in rows:
        yield groups.get(level_of(row), known.iloc[:0])


def _known(requests: pd.DataFrame, name: str) -> Floats:
    values = pd.to_numeric(requests[name], errors="coerce").to_numpy(float) if len(requests) else np.empty(0)
    return values[np.isfinite(values)]


def request_timelines(rows: Rows, timelines: Iterable[Timeline]) -> list[LevelTimeline]:
    """The timelines, each with the position of its level; times since the request was due."""
    positions = {level_of(row): position for position, row in enumerate(rows)}
    return [
        {"level": positions[key], **_timeline(one)} for one in timelines if (key := level_of(one.request)) in positions
    ]


def _timeline(one: Timeline) -> RequestTimeline:
    request = one.request
    due = number(request, "due") or 0.0
    offsets, gaps = thinned_events(one.events - due)
    return {
        "which": one.which,
        "sent": _since(due, number(request, "sent")),
        "first": _since(due, number(request, "first")),
        "last": _since(due, number(request, "last")),
        "end": _since(due, number(request, "end")),
        "latency": short(number(request, "latency")),
        "TTFT": short(number(request, "TTFT")),
        "TPOT": short(number(request, "TPOT")),
        "prompt_token_count": short(number(request, "prompt_token_count")),
        "completion_token_count": short(number(request, "completion_token_count")),
        "finish_reason": clean(text(request, "finish_reason")),
        "request_id": clean(text(request, "request_id")),
        "server_request_id": clean(text(request, "server_request_id")),
        "events": len(one.events),
        "offsets": offsets,
        "gaps": gaps,
    }


def _since(due: float, at: float | None) -> float | None:
    return None if at is None else short(at - due)


def thinned_events(times: Floats) -> tuple[list[int], list[int]]:
    """Events as offsets, and the gap before each but the first, both in 10 µs.

    Of more than `MOST_EVENTS` the first and the last are kept, both ends of the longest gaps, and an even choice of the
    others; each keeps its true gap.
    """
    gaps = np.diff(times, prepend=times[:1])
    chosen: Sequence[int] | Floats = range(len(times))
    if len(times) > MOST_EVENTS:
        longest = np.argsort(gaps)[-MOST_EVENTS // 4 :]
        even = np.linspace(0, len(times) - 1, MOST_EVENTS // 2).round().astype(int)
        chosen = np.unique(np.concatenate([even, longest, np.maximum(longest - 1, 0)]))
    kept = list(map(int, chosen))
    return [round(float(at) * _STEP) for at in times[kept]], [round(float(gap) * _STEP) for gap in gaps[kept[1:]]]
