"""What came in the responses: content events, tokens in each of them, reasoning, and remarks on the counts."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.tokens import mean_of_known
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, Row, floats, tallies, text
from fmbench_lib.metrics.plausibility import REMARK_SEPARATOR
from fmbench_lib.metrics.requests import has_remark, seen_tokens
from fmbench_lib.metrics.rows import Frame

CONTENTS = (
    Column("events", "", "number", "content events per streamed success"),
    Column("tokens_per_event", "tokens", "number", "completion tokens that were seen over content events"),
    Column("reasoning_tokens", "tokens", "number", "reasoning tokens per success whose server counts them"),
    Column(
        "buffered_share",
        "share",
        "number",
        "streamed successes whose content came at once, held back by server or proxy: they have no TPOT and ITL",
    ),
    Column("remarks", "", "text", 'successes by what is to be said of their counts and times, as JSON: `{"echo": 3}`'),
)


def contents(sample: LevelSample) -> Cells:
    """The columns `CONTENTS`. Without a streamed success there are no events to speak of, and no share."""
    successes = sample.successes
    streamed = floats(successes, "streamed") == 1
    events, tokens = sample.events_in(successes).sizes.astype(np.float64), seen_tokens(successes)
    known = streamed & (events > 0) & ~np.isnan(tokens)
    return {
        "events": float(events[streamed].mean()) if streamed.any() else NAN,
        "tokens_per_event": float(tokens[known].sum() / events[known].sum()) if known.any() else NAN,
        "reasoning_tokens": mean_of_known(floats(successes, "reasoning_tokens")),
        "buffered_share": float(has_remark(successes, "buffered")[streamed].mean()) if streamed.any() else NAN,
        "remarks": json.dumps(_remarks(successes)),
    }


def remarks_of(row: Row) -> dict[str, int]:
    """The column `remarks` of a level as a mapping; empty where it is missing."""
    counts = json.loads(text(row, "remarks") or "{}")
    return {str(name): int(count) for name, count in counts.items()}


def _remarks(successes: Frame) -> dict[str, int]:
    if "remarks" not in successes:
        return {}
    counts: Counter[str] = Counter()
    for text_of_one, count in tallies(successes["remarks"]).items():
        for name in text_of_one.split(REMARK_SEPARATOR):
            counts[name] += count
    return dict(sorted(counts.items()))
