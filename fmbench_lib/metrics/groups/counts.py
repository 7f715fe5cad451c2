"""How many requests a level sent, and how many of them failed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, Row, tallies, text
from fmbench_lib.metrics.window import completed_in

COUNTS = (
    Column("requests", "", "whole number", "measured requests sent in the window"),
    Column("successes", "", "whole number", "those without an error; latency statistics are about these"),
    Column("completions_in_window", "", "whole number", "successes that ended in the window"),
    Column("errors", "", "whole number", "`requests - successes`"),
    Column("error_rate", "share", "number", "`errors / requests`"),
)
ERRORS_BY_CLASS = (
    Column("errors_by_class", "", "text", 'failed requests by class, as JSON: `{"http_429": 3}`'),
    Column("error_messages", "", "text", "the first message of each class, as JSON"),
)


def counts(sample: LevelSample) -> Cells:
    """The columns `COUNTS` and `ERRORS_BY_CLASS`. Without a window no completion can lie in it: that count is NaN."""
    requests, successes = len(sample.chosen), len(sample.successes)
    failed = sample.chosen.where(~sample.chosen["success"].to_numpy(dtype=bool))
    failures = failed.table(("error", "error_message", "due"))
    classes = dict(sorted(tallies(failures["error"]).items()))
    completed = NAN if sample.window is None else int(completed_in(sample.requests, sample.window).sum())
    return {
        "requests": requests,
        "successes": successes,
        "completions_in_window": completed,
        "errors": len(failures),
        "error_rate": len(failures) / requests if requests else NAN,
        "errors_by_class": json.dumps(classes),
        "error_messages": json.dumps(_first_messages(failures), ensure_ascii=False),
    }


def _first_messages(failures: pd.DataFrame) -> dict[str, str]:
    """The message of the first failure of each class that has one, by the time it was due."""
    if "error_message" not in failures:
        return {}
    told = failures[failures["error_message"].notna()]
    if "due" in told:
        told = told.sort_values("due", kind="stable")
    first = told.drop_duplicates("error").sort_values("error")
    return dict(zip(first["error"].map(str), first["error_message"].map(str), strict=True))


@dataclass(frozen=True, slots=True)
class FirstMessage:
    """The first message of a class of errors of an experiment, and how many requests failed so at all its levels."""

    experiment_name: str
    error: str
    requests: int
    message: str


def first_messages(rows: Iterable[Row]) -> list[FirstMessage]:
    """The first message of each experiment and class of errors, in the order of the levels."""
    found: dict[tuple[str, str], FirstMessage] = {}
    for row in rows:
        said = error_messages(row)
        for name, times in errors_by_class(row).items():
            experiment = text(row, "experiment_name") or ""
            before = found.get((experiment, name))
            first = before.message if before and before.message else said.get(name, "")
            found[experiment, name] = FirstMessage(experiment, name, times + (before.requests if before else 0), first)
    return list(found.values())


def error_messages(row: Row) -> dict[str, str]:
    """The column `error_messages` of a row as a mapping; empty where it is missing."""
    messages = json.loads(text(row, "error_messages") or "{}")
    return {str(name): str(message) for name, message in messages.items()}


def errors_by_class(row: Row) -> dict[str, int]:
    """The column `errors_by_class` of a row as a mapping; empty where it is missing."""
    classes = json.loads(text(row, "errors_by_class") or "{}")
    return {str(name): int(count) for name, count in classes.items()}
