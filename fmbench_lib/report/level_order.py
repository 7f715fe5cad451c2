"""The levels of a run in the order of the report, and short forms of their names."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import pandas as pd

from fmbench_lib.metrics.missing import Row, number

Rows = Sequence[Row]
"""Levels as `metrics.missing.rows_of` gives them: built-in types, None for what is missing."""

_LAST = sys.float_info.max
"""Where a level stands whose load is not known: behind all others. It is a number that JSON has, as infinity is not."""


def is_rate(row: Row) -> bool:
    """Whether the load is a rate (open loop) rather than a concurrency (closed loop)."""
    return number(row, "request_rate") is not None


def short_load(row: Row) -> str:
    """The load for axes and labels: `4` in flight, or `0.5/s`."""
    rate, concurrency = number(row, "request_rate"), number(row, "concurrency")
    if rate is not None:
        return f"{rate:g}/s"
    return "?" if concurrency is None else f"{concurrency:g}"


def load_order(row: Row) -> tuple[bool, float]:
    """A sort key: closed loops before rates, each from low to high."""
    value = number(row, "request_rate") if is_rate(row) else number(row, "concurrency")
    return is_rate(row), _LAST if value is None else value


def names_in(rows: Iterable[Row], key: str = "experiment_name") -> list[str]:
    """The distinct values of `key` in the order in which they first occur, which is that of the config."""
    return list(dict.fromkeys(str(row.get(key)) for row in rows))


def in_order(rows: Rows) -> list[Row]:
    """The levels by payload file, then by experiment (each as they first occur), then by load from low to high."""
    payloads, experiments = names_in(rows, "payload_file"), names_in(rows)
    payload_index = {name: index for index, name in enumerate(payloads)}
    experiment_index = {name: index for index, name in enumerate(experiments)}

    def position(row: Row) -> tuple[int, int, bool, float]:
        return (
            payload_index[str(row.get("payload_file"))],
            experiment_index[str(row.get("experiment_name"))],
            *load_order(row),
        )

    return sorted(rows, key=position)


def of_payload(rows: Rows, payload_file: str | None) -> list[Row]:
    """The levels of one payload file, in order."""
    return in_order([row for row in rows if row.get("payload_file") == payload_file])


def counted(requests: pd.DataFrame) -> pd.DataFrame:
    """The requests that latency statistics are about: successes that were sent in the window of their level."""
    if requests.empty:
        return requests
    chosen = requests["in_window"].astype(bool) & requests["success"].astype(bool)
    return requests[chosen]


def sample_note(rows: Rows, requests: pd.DataFrame) -> str:
    """A sentence after a space where the successes among `requests` are a sample of those of their levels, else ""."""
    timed = _timed(requests)
    of = requests_of_levels(rows, requests)
    return f" A sample of {len(timed):,} of {of:,} requests, even by latency." if len(timed) < of else ""


def requests_of_levels(rows: Rows, requests: pd.DataFrame) -> int:
    """How many successes the levels have whose requests, all or a sample, these are."""
    timed = _timed(requests)
    if timed.empty:
        return 0
    keys = ["experiment_name", "payload_file", "load"]
    drawn = {tuple(map(str, key)) for key in timed[keys].drop_duplicates().itertuples(index=False)}
    levels = (row for row in rows if tuple(str(row[key]) for key in keys) in drawn)
    return max(len(timed), int(sum(number(row, "latency_n") or 0 for row in levels)))


def _timed(requests: pd.DataFrame) -> pd.DataFrame:
    timed = counted(requests)
    return timed if timed.empty else timed.dropna(subset=["latency"])


def dataset_name(payload_file: str | None) -> str:
    """The short name of a payload file: `en_1-500` for `payload_en_1-500.jsonl`."""
    return (payload_file or "").removeprefix("payload_").removesuffix(".jsonl")
