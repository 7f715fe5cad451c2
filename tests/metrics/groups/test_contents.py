"""Events, tokens per event, buffered answers and first messages of a level whose every request is known."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from fmbench_lib.metrics.groups.counts import FirstMessage, first_messages
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.metrics.requests import request_metrics

BASE = 1_800_000_000.0


def record(events, **more):
    """A streamed success that was due at 0 and whose content came at these seconds."""
    times = [BASE + at for at in events]
    first, last = (times[0], times[-1]) if times else (None, None)
    return {
        "phase": "measured", "due": BASE, "sent": BASE, "first": first, "first_answer": first, "last": last,
        "end": last or BASE, "event_times": times, "streamed": True, "error": None, "error_message": None,
        "prompt_tokens": 10, "completion_tokens": 4, "seen_tokens": 4, "choices": 1, "reasoning_tokens": None,
        "remarks": None, "retried": 0, **more,
    }  # fmt: skip


def test_itl_is_between_reads_and_tpot_between_tokens():
    measured = request_metrics(pd.DataFrame([record([1.0, 1.0, 1.3, 1.3])]))
    assert measured["ITL"][0] == pytest.approx([0.3])
    assert measured["TPOT"][0] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("change", "tpot"),
    [
        ({"remarks": "buffered"}, math.nan),
        ({"remarks": "echo+buffered"}, math.nan),
        ({"seen_tokens": None}, math.nan),
        ({"seen_tokens": 1}, math.nan),
        ({"seen_tokens": 7, "completion_tokens": 400}, 0.05),  # hidden reasoning is not in it
        ({"seen_tokens": 8, "choices": 2}, 0.1),  # four tokens each
    ],
)
def test_a_time_per_token_only_where_there_is_one(change, tpot):
    measured = request_metrics(pd.DataFrame([record([1.0, 1.1, 1.3], **change)]))
    assert measured["TPOT"][0] == pytest.approx(tpot, nan_ok=True)
    assert (len(measured["ITL"][0]) == 0) == ("choices" in change or "buffered" in str(change.get("remarks")))


def test_records_of_earlier_versions_have_all_their_tokens():
    old = record([1.0, 1.3])
    for name in ("seen_tokens", "choices", "remarks"):
        del old[name]
    assert request_metrics(pd.DataFrame([old]))["TPOT"][0] == pytest.approx(0.1)


def test_the_columns_by_hand(facts):
    rows = [
        record([1.0, 1.2], reasoning_tokens=6),
        record([1.0, 1.1, 1.2, 1.3], seen_tokens=8, remarks="buffered+echo"),
        record([], streamed=False, first=None, first_answer=None, last=BASE + 1, end=BASE + 1),
        record([], error="http_5xx", error_message="the second", due=BASE + 2, sent=BASE + 2),
        record([], error="http_5xx", error_message="the first", due=BASE + 1, sent=BASE + 1),
        record([], error="timeout", error_message=None),
    ]
    row = level_row(pd.DataFrame(rows), facts(seconds=10))
    assert row["events"] == 3  # of two streamed successes
    assert row["tokens_per_event"] == pytest.approx((4 + 8) / (2 + 4))
    assert (row["reasoning_tokens"], row["buffered_share"]) == (6, 0.5)
    assert json.loads(row["remarks"]) == {"buffered": 1, "echo": 1}
    assert json.loads(row["error_messages"]) == {"http_5xx": "the first"}


def test_the_first_message_of_an_experiment_over_all_its_levels():
    levels = [
        {"experiment_name": "a", "errors_by_class": '{"timeout": 1}', "error_messages": "{}"},
        {"experiment_name": "a", "errors_by_class": '{"timeout": 2}', "error_messages": '{"timeout": "late"}'},
        {"experiment_name": "b", "errors_by_class": '{"timeout": 4}', "error_messages": '{"timeout": "other"}'},
    ]
    assert first_messages(levels) == [FirstMessage("a", "timeout", 3, "late"), FirstMessage("b", "timeout", 4, "other")]
