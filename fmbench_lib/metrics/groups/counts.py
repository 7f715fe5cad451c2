"""How many requests a level sent, and how many of them failed."""

from __future__ import annotations

import json

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, Row, text
from fmbench_lib.metrics.window import completed_in

COUNTS = (
    Column("requests", "", "whole number", "measured requests sent in the window"),
    Column("successes", "", "whole number", "those without an error; latency statistics are about these"),
    Column("completions_in_window", "", "whole number", "successes that ended in the window"),
    Column("errors", "", "whole number", "`requests - successes`"),
    Column("error_rate", "share", "number", "`errors / requests`"),
)
ERRORS_BY_CLASS = (Column("errors_by_class", "", "text", 'failed requests by class, as JSON: `{"http_429": 3}`'),)


def counts(sample: LevelSample) -> Cells:
    """The columns `COUNTS` and `ERRORS_BY_CLASS`. Without a window no completion can lie in it: that count is NaN."""
    requests, successes = len(sample.chosen), len(sample.successes)
    failures = sample.chosen[~sample.chosen["success"]]
    classes = {str(name): int(count) for name, count in failures["error"].value_counts().sort_index().items()}
    completed = NAN if sample.window is None else int(completed_in(sample.requests, sample.window).sum())
    return {
        "requests": requests,
        "successes": successes,
        "completions_in_window": completed,
        "errors": len(failures),
        "error_rate": len(failures) / requests if requests else NAN,
        "errors_by_class": json.dumps(classes),
    }


def errors_by_class(row: Row) -> dict[str, int]:
    """The column `errors_by_class` of a row as a mapping; empty where it is missing."""
    classes = json.loads(text(row, "errors_by_class") or "{}")
    return {str(name): int(count) for name, count in classes.items()}
