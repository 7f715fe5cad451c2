"""The view `requests` says of every request what the analysis says, and what was worked out by hand."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fmbench_lib import open_run
from fmbench_lib.metrics.request_table import REQUEST_COLUMNS
from fmbench_lib.steps.explore.record_views import LARGE, REQUESTS
from tests.steps.explore.conftest import AddLevel, MakeRun, add_table

OLDER_NAMES = {
    "endpoint_name", "prompt_tokens", "completion_tokens", "time_to_first_token", "time_per_output_token",
    "time_to_last_token", "uuid",
}  # fmt: skip


def asked(run: Path, *columns: str) -> dict[str, Any]:
    """The only row of `requests`, None for what is missing."""
    [row] = open_run(run).requests(*columns).to_dict("records")
    return {str(name): None if pd.isna(value) else value for name, value in row.items()}


def test_the_columns_are_those_of_the_table_of_requests() -> None:
    assert set(REQUEST_COLUMNS) - OLDER_NAMES - set(REQUESTS) == set()
    assert set(REQUESTS) - set(REQUEST_COLUMNS) == {
        "run", "cap_wait", "texts", "scores", "event_times", "ITL",
    }  # fmt: skip


def test_every_cell_of_the_recorded_run_is_that_of_the_analysis(recorded: Path) -> None:
    with (recorded / "metrics" / "per_inference_request_results.csv").open(encoding="utf-8", newline="") as file:
        then = {row["request_id"]: row for row in csv.DictReader(file)}
    columns = [name for name in REQUESTS if name in REQUEST_COLUMNS and name not in LARGE]
    now = open_run(recorded).requests(*columns).to_dict("records")
    assert len(now) == len(then) > 200
    different = [
        (row["request_id"], name, then[row["request_id"]][name], row[name])
        for row in now
        for name in columns
        if not same(then[row["request_id"]][name], row[name])
    ]
    assert different == []


def same(cell: str, value: Any) -> bool:
    """Whether a cell of a CSV file and a value are the same: empty and missing, or equal to rounding."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return cell == ""
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return cell == str(value)
    if isinstance(value, str):
        return cell.removeprefix("'") == value
    return bool(cell) and math.isclose(float(cell), float(value), rel_tol=1e-12, abs_tol=1e-9)


def test_the_measures_of_a_request(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run("20261129-100000Z")
    add_level(run, {"event_times": [101.0, 101.0, 101.5, 103.0], "sent": 100.25})
    row = asked(run, "latency", "TTFT", "TPOT", "ITL_mean", "ITL_max", "latency_from_sent", "events")
    assert {name: row[name] for name in ("latency", "TTFT", "TPOT", "ITL_mean", "ITL_max")} == {
        "latency": 3.0,
        "TTFT": 1.0,
        "TPOT": 0.5,  # (103 - 101) / (5 - 1)
        "ITL_mean": 1.0,  # 0.5 and 1.5: two events of one read have no gap
        "ITL_max": 1.5,
    }
    assert (row["latency_from_sent"], row["events"]) == (2.75, 4)


@pytest.mark.parametrize(
    ("record", "missing", "there"),
    [
        ({"error": "timeout"}, ["latency", "TTFT", "TPOT", "ITL_mean"], []),
        ({"streamed": False}, ["TTFT", "TPOT", "ITL_mean"], ["latency"]),
        ({"remarks": "early+buffered"}, ["TPOT", "ITL_mean"], ["TTFT", "latency"]),
        ({"seen_tokens": 1}, ["TPOT"], ["TTFT", "ITL_mean"]),
        ({"seen_tokens": None}, ["TPOT"], ["TTFT"]),
        ({"last": 101.0}, ["TPOT", "ITL_mean"], ["TTFT", "latency"]),
        ({"choices": 2}, ["ITL_mean"], ["TPOT", "latency"]),
        ({"event_times": []}, ["ITL_mean", "tokens_per_event"], ["TPOT"]),
        ({"first": None}, ["TTFT", "TPOT"], ["latency"]),
    ],
)
def test_a_measure_that_a_request_does_not_have_is_missing(
    make_run: MakeRun, add_level: AddLevel, record: dict[str, Any], missing: list[str], there: list[str]
) -> None:
    run = make_run("20261129-100000Z")
    add_level(run, record)
    row = asked(run, *missing, *there)
    assert [name for name in missing if row[name] is not None] == []
    assert [name for name in there if row[name] is None] == []


def test_a_file_of_an_earlier_version_has_all_tokens_for_the_seen_ones(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run("20261129-100000Z")
    path = add_level(run, {"completion_tokens": 3, "seen_tokens": None})
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["seen_tokens", "choices", "texts"]), path)
    assert asked(run, "TPOT", "choices") | {"run": ""} == {
        "run": "", "experiment_name": "one", "payload_file": "p.jsonl", "load": "concurrency-1", "TPOT": 1.0,
        "choices": None,
    }  # fmt: skip
    add_level(run, {"completion_tokens": 3, "seen_tokens": None}, load="concurrency-2", concurrency=2)
    frame = open_run(run).requests("TPOT")
    assert dict(zip(frame["load"], frame["TPOT"].isna(), strict=True)) == {
        "concurrency-1": False,
        "concurrency-2": True,
    }


def test_only_the_last_attempt_counts_and_all_are_on_record(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run("20261129-100000Z")
    add_level(run, {"last": 109.0}, attempt=1)
    add_level(run, {"last": 103.0})
    opened = open_run(run)
    assert list(opened.requests("latency")["latency"]) == [3.0]
    every = opened.sql('SELECT attempt, counts, "last" FROM records ORDER BY attempt')
    assert every.to_dict("list") == {"attempt": [1, 2], "counts": [False, True], "last": [109.0, 103.0]}


def test_a_request_counts_if_it_was_sent_in_the_window(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run("20261129-100000Z")
    sent = [99.0, 100.0, 104.0, 104.5]
    records = [{"sent": moment, "request_id": f"{moment:g}"} for moment in sent]
    add_level(run, *records, {"phase": "warmup", "request_id": "w"}, window_start=100.0, window_end=104.0)
    frame = open_run(run).requests("request_id", "in_window")
    assert set(frame[frame["in_window"]]["request_id"]) == {"100", "104"}


def test_only_the_analysis_knows_when_an_open_loop_became_steady(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run("20261129-100000Z")
    facts = {"load": "rate-2", "concurrency": None, "request_rate": 2.0, "window_start": 99.0, "window_end": 104.0}
    add_level(run, {}, **facts)
    assert asked(run, "in_window", "completed_in_window")["in_window"] is None
    add_table(run, {"load": "rate-2", "concurrency": None, "window_start": 102.0, "window_end": 104.0})
    assert asked(run, "in_window")["in_window"] is False
    assert asked(run, "completed_in_window")["completed_in_window"] is True


def test_a_level_whose_window_has_no_length_counts_whole(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run("20261129-100000Z")
    add_level(run, {}, window_start=100.0, window_end=100.0)
    row = asked(run, "in_window", "completed_in_window")
    assert (row["in_window"], row["completed_in_window"]) == (True, False)


@pytest.mark.parametrize("older", ["concurrency-1", "concurrency-2"])
def test_files_of_different_versions_are_one_table(make_run: MakeRun, add_level: AddLevel, older: str) -> None:
    """A column that one file lacks is empty there, and a number of another type is the same number."""
    run = make_run("20261129-100000Z")
    paths = {load: add_level(run, {"request_id": load}, load=load) for load in ("concurrency-1", "concurrency-2")}
    table = pq.read_table(paths[older])
    kind = table.schema.get_field_index("completion_tokens")
    table = table.set_column(kind, "completion_tokens", table["completion_tokens"].cast("int64"))
    pq.write_table(table.drop_columns(["request_id"]), paths[older])
    found = open_run(run).requests("request_id", "completion_token_count", "latency")
    rows = {load: (name, tokens, latency) for _, _, _, load, name, tokens, latency in found.itertuples(index=False)}
    newer = "concurrency-2" if older == "concurrency-1" else "concurrency-1"
    assert rows[newer] == (newer, 5, 3.0)
    assert pd.isna(rows[older][0])
    assert rows[older][1:] == (5, 3.0)


def test_a_run_without_records_has_no_requests(make_run: MakeRun) -> None:
    opened = open_run(make_run("20261129-100000Z"))
    assert opened.requests().empty
    assert opened.sql("SELECT count(*) AS n FROM records")["n"].tolist() == [0]


def test_a_file_that_cannot_be_read_is_left_out_and_named(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run("20261129-100000Z")
    add_level(run, {})
    add_level(run, {}, load="concurrency-2").write_bytes(b"PAR1 cut off")
    opened = open_run(run)
    with pytest.warns(UserWarning, match=r"left out, as it cannot be read: .*concurrency-2\.parquet"):
        assert len(opened.requests()) == 1
