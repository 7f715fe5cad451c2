"""Whether an open loop can be sustained, from the records of a level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.level_row import level_row


def one_slot(request_row, rate: float, count: int, service: float = 0.5, given_up_after: float | None = None):
    """Requests at even distances to one slot that takes 0.5 s a request; the client may give up waiting requests."""
    rows, free = [], 0.0
    for number in range(count):
        due = number / rate
        began = max(due, free)
        if given_up_after is not None and began - due >= given_up_after:
            rows.append(request_row(due, latency=given_up_after, error="timeout"))
            continue
        free = began + service
        rows.append(request_row(due, ttft=free - due - 0.01, latency=free - due))
    return rows


def row_of(facts, rows, seconds: float, rate: float):
    records = pd.DataFrame(rows)
    return level_row(records, facts(seconds=seconds, concurrency=None, request_rate=rate, arrival="constant"))


@pytest.mark.parametrize(("rate", "answer"), [(1.6, "yes"), (2.5, "no")])
def test_one_slot_of_half_a_second_serves_two_a_second(request_row, facts, rate, answer):
    row = row_of(facts, one_slot(request_row, rate, round(60 * rate)), 60.0, rate)
    assert row["sustainable"] == answer


def test_what_ends_after_the_window_tells_of_the_capacity_too(request_row, facts):
    """24 services end in 12 s, and 6 later: 30 at 125% of one slot that takes 0.5 s each."""
    row = row_of(facts, one_slot(request_row, 2.5, 30), 12.0, 2.5)
    assert row["sustainable"] == "no"
    assert row["in_flight_end"] - row["in_flight_start"] >= 5


def test_a_client_that_gives_up_does_not_make_an_endpoint_faster(request_row, facts):
    rows = one_slot(request_row, 4.0, 240, given_up_after=30.0)
    assert any(row["error"] for row in rows)
    assert row_of(facts, rows, 60.0, 4.0)["sustainable"] == "no"


@pytest.mark.parametrize("hanging", [(100, 300), (200,), (100, 200, 300), (350,), (395,)])
def test_requests_that_hang_are_no_queue(request_row, facts, hanging):
    """One after the other, each exactly until the next, and some that take 15 s."""
    rows = [request_row(n * 0.1, ttft=0.05, latency=15.0 if n in hanging else 0.1) for n in range(400)]
    assert row_of(facts, rows, 40.0, 10.0)["sustainable"] != "no"


def test_the_part_from_the_steady_state_on_does_not_accuse(request_row, facts, monkeypatch):
    """A second look at the same level would accuse twice as often."""
    from fmbench_lib.metrics import growing_queue, steady_window

    looks = []
    first = growing_queue.growth_in

    def growth_in(requests, level_facts, window):
        looks.append(window)
        found = first(requests, level_facts, window)
        assert found is not None
        values = {field: getattr(found, field) for field in found.__dataclass_fields__}
        return type(found)(**values | {"answer": "unknown" if len(looks) % 2 else "no"})

    for module in (growing_queue, steady_window):
        monkeypatch.setattr(module, "growth_in", growth_in)
    rows = one_slot(request_row, 1.9, 114)
    row = row_of(facts, rows, 60.0, 1.9)
    assert len(looks) >= 2
    assert row["sustainable"] == "unknown"
    assert not np.isnan(row["sustainable_longer"])
