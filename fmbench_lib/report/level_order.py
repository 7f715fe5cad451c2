"""The levels of a run as a reader wants them: in order, and with their load in few letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from fmbench_lib.metrics.missing import Row, number

Rows = Sequence[dict[str, Any]]
"""Levels as `metrics.cells.rows_of` gives them: plain values, None for what is missing."""


def is_rate(row: Row) -> bool:
    """Whether the load was offered at a rate (open loop) and not held at a concurrency (closed loop)."""
    return number(row, "request_rate") is not None


def short_load(row: Row) -> str:
    """The load for axes and labels: `4` in flight, or `0.5/s`."""
    rate, concurrency = number(row, "request_rate"), number(row, "concurrency")
    if rate is not None:
        return f"{rate:g}/s"
    return "?" if concurrency is None else f"{concurrency:g}"


def load_order(row: Row) -> tuple[bool, float]:
    """Sorts closed loops before rates, each from low to high."""
    value = number(row, "request_rate") if is_rate(row) else number(row, "concurrency")
    return is_rate(row), float("inf") if value is None else value


def names_in(rows: Iterable[Row], key: str = "experiment_name") -> list[str]:
    """The values of `key` in the order in which they first occur: the config's."""
    return list(dict.fromkeys(str(row.get(key)) for row in rows))


def in_order(rows: Rows) -> list[dict[str, Any]]:
    """The levels by payload file, then by experiment (each as they first occur), then by load from low to high."""
    payloads, experiments = names_in(rows, "payload_file"), names_in(rows)
    places = ({name: place for place, name in enumerate(names)} for names in (payloads, experiments))
    of_payload, of_experiment = places

    def place(row: Row) -> tuple[int, int, bool, float]:
        return (
            of_payload[str(row.get("payload_file"))],
            of_experiment[str(row.get("experiment_name"))],
            *load_order(row),
        )

    return sorted(rows, key=place)


def of_payload(rows: Rows, payload_file: str | None) -> list[dict[str, Any]]:
    """The levels of one payload file, in order."""
    return in_order([row for row in rows if row.get("payload_file") == payload_file])


def counted(requests: pd.DataFrame) -> pd.DataFrame:
    """The requests that latency statistics are made of: those sent in the window of their level that succeeded."""
    if requests.empty:
        return requests
    chosen = requests["in_window"].astype(bool) & requests["success"].astype(bool)
    return requests[chosen]


def dataset_name(payload_file: str | None) -> str:
    """What a payload file is called in a sentence: `payload_en_1-500.jsonl` is `en_1-500`."""
    return (payload_file or "").removeprefix("payload_").removesuffix(".jsonl")
