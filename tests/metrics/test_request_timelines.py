"""Which requests of a level are shown event by event."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.request_timelines import timelines


def table(latencies: list[float], load: str = "concurrency-2", **more: Any) -> pd.DataFrame:
    """Requests of one level, numbered in order, all counted."""
    level = {"experiment_name": "one", "payload_file": "p.jsonl", "load": load, "in_window": True, "success": True}
    ids = [str(number) for number in range(len(latencies))]
    return pd.DataFrame({"request_id": ids, "latency": latencies}).assign(**{**level, **more})


def level(ids: list[str], load: str = "concurrency-2") -> Any:
    """The records of a level: event k of request i arrives at i + k / 10."""
    events = [np.array([int(number) + 0.1, int(number) + 0.2]) for number in ids]
    facts = {"experiment_name": "one", "payload_file": "p.jsonl", "load": load}
    return pd.DataFrame({"request_id": ids, "event_times": events}), facts


def test_the_median_the_p95_and_the_slowest_are_chosen_by_rank() -> None:
    latencies = [float(value) for value in np.random.default_rng(1).permutation(range(1, 41))]
    found = timelines(table(latencies), [level([str(number) for number in range(40)])])
    assert [(one.which, one.request["latency"]) for one in found] == [("p50", 20), ("p95", 38), ("worst", 40)]
    slowest = latencies.index(40.0)
    assert found[2].events.tolist() == [slowest + 0.1, slowest + 0.2]


def test_failures_warm_up_and_what_has_no_latency_are_not_chosen() -> None:
    requests = table([1.0, 2.0, 9.0, 8.0])
    requests.loc[2, "success"] = False
    requests.loc[3, "in_window"] = False
    requests.loc[0, "latency"] = None
    assert {one.request["request_id"] for one in timelines(requests, [])} == {"1"}
    assert timelines(requests.head(0), []) == []


def test_a_request_that_was_not_streamed_has_no_events() -> None:
    records, facts = level(["0"])
    (first, *_) = timelines(table([1.0]), [(records.assign(event_times=None), facts)])
    assert first.events.tolist() == []


def test_repeats_are_one_level_and_their_records_are_found() -> None:
    requests = table([1.0, 2.0])
    found = timelines(requests, [level(["0"]), level(["1"], "concurrency-2-repeat-2")])
    assert found[-1].request["request_id"] == "1"
    assert found[-1].events.tolist() == [1.1, 1.2]
    assert found[0].events.tolist() == [0.1, 0.2]


def test_a_request_of_another_level_with_the_same_id_is_not_taken() -> None:
    (first, *_) = timelines(table([1.0]), [level(["0"], "concurrency-8")])
    assert first.events.tolist() == []
