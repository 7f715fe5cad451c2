"""A measured level in short cells, one row a level, for the terminal and for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.reasons import reasons_of
from fmbench_lib.report.level_order import dataset_name
from fmbench_lib.report.numbers import MISSING, amount, count, seconds, significant

TONES: Mapping[str, str] = {"valid": "good", "degraded": "doubtful", "invalid": "bad"}
"""What a verdict means to the reader, by which it is coloured."""

_SHORTER = (
    ("load ", ""), ("concurrency ", "c "), (" requests/s", "/s"), (" repeats", "×"), ("repeat ", "#"),
    ("attempt ", "try "), ("(", ""), (")", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LevelColumn:
    """A column of the table of levels. `width` is what its cells take, `rank` says which goes first where there is no
    room: the greatest."""

    heading: str
    width: int
    rank: int
    cell: Callable[[Row], str]


def load_text(row: Row) -> str:
    """The load of a level: `concurrency 4`, `0.5 requests/s`; from its name where nothing else is known of it."""
    if number(row, "concurrency") is None and number(row, "request_rate") is None:
        return load_label({**row, **_load_of(text(row, "load") or "")})
    return load_label(row)


def load_cell(row: Row) -> str:
    """The load in few characters: `c 4`, `0.5/s`, `c 4 #2` for its second repeat."""
    short = load_text(row)
    for long, few in _SHORTER:
        short = short.replace(long, few)
    return short


def reason_of(row: Row) -> str:
    """The main reason for a level's verdict; empty where there is none."""
    return next(iter(reasons_of(text(row, "verdict_reasons"))), "")


def place_of(row: Row) -> tuple[str, str]:
    """The experiment and the dataset of a level."""
    return str(row.get("experiment_name")), dataset_name(text(row, "payload_file"))


def time_pair(row: Row, family: str) -> str:
    """p50 and p95 of a time, in one unit: `118/204 ms`.

    What has no confidence interval is marked as about: `118/≈204 ms` where p95 has none.
    """
    columns = [f"{family}_{name}" for name in ("p50", "p95")]
    values = [number(row, column) for column in columns]
    known = [value for value in values if value is not None]
    if not known:
        return MISSING
    in_ms = max(known) < 1
    marks = ["≈" if number(row, f"{column}_low") is None else "" for column in columns]
    parts = [
        MISSING if value is None else mark + _short(value, in_ms) for mark, value in zip(marks, values, strict=True)
    ]
    return f"{'/'.join(parts)} {'ms' if in_ms else 's'}"


def _short(value: float, in_ms: bool) -> str:
    """A time in whole milliseconds, or to the hundredth of a second, or to three digits; a short one to two digits."""
    shown = 1000 * value if in_ms else value
    if in_ms and shown >= 10:
        return f"{shown:.0f}"
    if not in_ms and 0.1 <= shown < 10:
        return f"{shown:.2f}"
    return significant(shown, 2 if shown < 1 or in_ms else 3)


def _load_of(name: str) -> dict[str, float]:
    kind, _, value = name.partition("-repeat-")[0].rpartition("-")
    column = {"concurrency": "concurrency", "rate": "request_rate"}.get(kind)
    try:
        return {} if column is None else {column: float(value)}
    except ValueError:
        return {}


def _count(column: str) -> Callable[[Row], str]:
    return lambda row: count(number(row, column))


COLUMNS: tuple[LevelColumn, ...] = (
    LevelColumn("load", 7, 0, load_cell),
    LevelColumn("n", 5, 1, _count("requests")),
    LevelColumn("err", 3, 2, _count("errors")),
    LevelColumn("req/s", 6, 5, lambda row: significant(number(row, "transactions_per_second"))),
    LevelColumn("tok/s", 6, 8, lambda row: significant(number(row, "completion_token_throughput"))),
    LevelColumn("TTFT p50/95", 13, 6, lambda row: time_pair(row, "TTFT")),
    LevelColumn("lat. p50/95", 13, 4, lambda row: time_pair(row, "latency")),
    LevelColumn("USD/10k", 7, 7, lambda row: amount(number(row, "price_per_10k_txn"))),
    LevelColumn("verdict", 8, 3, lambda row: text(row, "verdict") or MISSING),
)
"""docs/json_output.md says what they mean."""


def plain_line(row: Row) -> str:
    """A level in a line without columns, for logs."""
    parts = [
        f"{count(number(row, 'requests'))} requests",
        f"{count(number(row, 'errors'))} errors",
        f"{significant(number(row, 'transactions_per_second'))} req/s",
        f"{significant(number(row, 'completion_token_throughput'))} tok/s",
        f"TTFT p50/p95 {time_pair(row, 'TTFT')}",
        f"latency p50/p95 {time_pair(row, 'latency')}",
        f"{amount(number(row, 'price_per_10k_txn'))} USD/10k",
        text(row, "verdict") or MISSING,
    ]
    reason = reason_of(row)
    return f"{' · '.join(place_of(row))} · {load_text(row)}: {', '.join(parts)}" + (f" ({reason})" if reason else "")


def about(value: float | None) -> str:
    """A time so far, of a sample of the requests: it has no confidence interval."""
    return MISSING if value is None else f"≈ {seconds(value)}"
