"""Single requests of a level, event by event: the one at its median latency, the one at p95, and the slowest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.config.repeat_names import split_repeat
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.missing import Row, rows_of
from fmbench_lib.metrics.requests import event_times

CHOSEN = {"p50": 0.5, "p95": 0.95, "worst": 1.0}
"""Which requests are shown, by the share of the level's requests that took at most as long."""
_LEVEL = ["experiment_name", "payload_file", "load"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """A request of a level: `which` of `CHOSEN` it is, its row in the table of requests, and when its content events
    arrived, Unix seconds, in order; none where it was not streamed."""

    which: str
    request: Row
    events: np.ndarray[Any, np.dtype[np.float64]]


Chosen = tuple[str, Row]
"""Which of `CHOSEN` a request of a level is, and its row in the table of requests."""


def timelines(requests: pd.DataFrame, levels: Iterable[LevelData]) -> list[Timeline]:
    """The timelines of every level, in the order of the requests; of repeats together, as `requests` has them.

    `requests` are given as to `chosen_requests`; `levels` has the events.
    """
    return timelines_of(chosen_requests(requests), levels)


def chosen_requests(requests: pd.DataFrame) -> list[Chosen]:
    """The requests of every level that are shown.

    `requests`: rows of the table of requests, of which successes that were sent in a window are looked at. The request
    at a share q of n is the one of rank `ceil(q · n)` by latency.
    """
    if requests.empty:
        return []
    counted = requests[requests["in_window"].astype(bool) & requests["success"].astype(bool)]
    chosen: list[Chosen] = []
    for _, level in counted.dropna(subset=["latency"]).groupby(_LEVEL, sort=False):
        ordered = level.sort_values("latency", key=lambda column: column.astype(float), kind="stable")
        ranks = {which: math.ceil(share * len(ordered)) - 1 for which, share in CHOSEN.items()}
        chosen += zip(ranks, rows_of(ordered.iloc[list(ranks.values())]), strict=True)
    return chosen


def timelines_of(chosen: Sequence[Chosen], levels: Iterable[LevelData]) -> list[Timeline]:
    """The timelines of chosen requests; `levels` has the events of these at least."""
    events = _events(levels, {_identity(request) for _, request in chosen})
    return [Timeline(which, request, events.get(_identity(request), np.empty(0))) for which, request in chosen]


def _identity(request: Mapping[str, Any]) -> tuple[str, ...]:
    load, _ = split_repeat(str(request["load"]))
    return str(request["experiment_name"]), str(request["payload_file"]), load, str(request["request_id"])


def _events(
    levels: Iterable[LevelData], wanted: set[tuple[str, ...]]
) -> dict[tuple[str, ...], np.ndarray[Any, np.dtype[np.float64]]]:
    """The arrival times of the events of the requests that are wanted."""
    found = {}
    ids = {identity[-1] for identity in wanted}
    for records, facts in levels:
        if not {"request_id", "event_times"} <= set(records.columns):
            continue
        named = records[records["request_id"].isin(ids)]
        for request_id, times in zip(named["request_id"], event_times(named), strict=True):
            identity = _identity({**facts, "request_id": request_id})
            if identity in wanted:
                found[identity] = times.copy()
    return found
