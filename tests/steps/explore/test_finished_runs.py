"""What finished runs answer: levels, requests, SQL, selections, comparisons and pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib import open_run, open_runs
from fmbench_lib.errors import InputError, RunStateError
from tests.steps.explore.conftest import AddLevel, MakeRun, add_table

FIRST, SECOND = "20261129-100000Z", "20261129-110000Z"


@pytest.fixture
def results(make_run: MakeRun, add_level: AddLevel) -> Path:
    """Two runs of one level each: p95 2 and 3 s; the second also has one of experiment `two`, invalid."""
    first = make_run(FIRST)
    add_level(first, {"last": 102.0}, {"error": "timeout"})
    add_table(first, {"latency_p95": 2.0, "latency_p95_low": 1.9, "latency_p95_high": 2.2, "attempt": 1})
    second = make_run(SECOND, created="2026-11-29T11:00:00+00:00")
    add_level(second, {"last": 103.0})
    add_level(second, {"last": 104.0}, experiment_name="two")
    two = {"experiment_name": "two", "latency_p95": 4.0, "verdict": "invalid", "latency_p95_low": None}
    add_table(second, {"latency_p95": 3.0, "latency_p95_low": 2.5, "latency_p95_high": 3.5}, two)
    return first.parent.parent


def test_importing_fmbench_lib_imports_nothing_else() -> None:
    code = "import sys, fmbench_lib; print(sorted(m for m in sys.modules if m in ('pandas', 'duckdb', 'pyarrow')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_levels_have_the_types_that_their_columns_are_declared_with(recorded: Path) -> None:
    levels = open_run(recorded).levels()
    assert len(levels) == 7
    kinds = {name: str(levels[name].dtype) for name in ("concurrency", "latency_p95", "client_limited", "verdict")}
    assert kinds == {"concurrency": "Int64", "latency_p95": "float64", "client_limited": "boolean", "verdict": "str"}
    assert levels["concurrency"].isna().sum() == 1  # of a rate
    assert set(levels["run"]) == {"recorded/20261129-223952Z"}


def test_text_that_a_spreadsheet_would_compute_is_as_it_was(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run(FIRST)
    add_level(run, {}, experiment_name="=1+1")
    add_table(run, {"experiment_name": "=1+1", "window_start": 1.0, "window_end": 200.0})
    opened = open_run(run)
    assert opened.levels()["experiment_name"].tolist() == ["=1+1"]
    assert opened.requests("in_window")["in_window"].tolist() == [True]


def test_of_a_level_measured_again_the_last_attempt_counts(make_run: MakeRun) -> None:
    run = make_run(FIRST)
    add_table(run, {"attempt": 1, "latency_p95": 9.0}, {"attempt": 2, "latency_p95": 3.0})
    assert open_run(run).levels()["latency_p95"].tolist() == [3.0]
    assert open_run(run).levels(all_attempts=True)["latency_p95"].tolist() == [9.0, 3.0]


def test_a_run_that_is_not_analysed_is_said(results: Path, make_run: MakeRun) -> None:
    make_run("20261129-120000Z", name="other")
    with pytest.warns(UserWarning, match="other/20261129-120000Z is not analysed yet: run `fmbench report "):
        assert len(open_runs(results).levels()) == 3
    with pytest.raises(RunStateError, match="is not analysed yet: run `fmbench report "):
        open_run(results / "other" / "20261129-120000Z").levels()
    with pytest.raises(RunStateError, match="is not analysed yet"):
        _ = open_run(results / "other" / "20261129-120000Z").decision


def test_runs_are_found_by_folder_name_id_and_latest(results: Path) -> None:
    runs = open_runs(results)
    assert runs.names == [f"mine/{FIRST}", f"mine/{SECOND}"]
    assert open_runs(results / "mine").names == runs.names
    assert open_runs(results / "mine" / FIRST).names == runs.names[:1]
    assert open_run("latest", results).name == open_run(SECOND, results).name == runs[-1].name
    assert runs[FIRST].path == results / "mine" / FIRST
    assert open_runs([results / "mine" / SECOND, results / "mine" / FIRST]).names == runs.names
    assert len(open_runs([results / "mine" / FIRST, str(results / "mine" / FIRST)])) == 1


def test_copies_of_a_run_are_told_apart_by_their_directories(recorded: Path, tmp_path: Path) -> None:
    shutil.copytree(recorded, tmp_path / "copy")
    assert open_runs([recorded, tmp_path / "copy"]).names == [str(tmp_path / "copy"), str(recorded)]


def test_a_run_with_damaged_state_is_left_out_and_named(results: Path) -> None:
    (results / "mine" / FIRST / "run.json").write_text("{")
    with pytest.warns(UserWarning, match=rf"left out: .*{FIRST}"):
        assert open_runs(results).names == [f"mine/{SECOND}"]


@pytest.mark.parametrize(
    ("opening", "message"),
    [
        (lambda path: open_runs(path / "empty"), "there is no run in .*empty"),
        (lambda path: open_runs("s3://bucket/results"), "give a list of the addresses"),
        (lambda path: open_run("latets", path), "did you mean latest"),
        (lambda path: open_run(FIRST[:-2], path), f"near are .*mine/{FIRST}"),
        (lambda path: open_runs(path)["mine"], "0 runs are called 'mine'"),
        (lambda path: open_runs(path).requests("latncy"), "did you mean latency"),
        (lambda path: open_runs(path).sql("SELECT latncy FROM requests"), "cannot be answered: .*latncy"),
        (lambda path: open_runs(path).compare("latency_p955"), "did you mean latency_p95"),
        (lambda path: open_runs(path).compare("verdict"), "holds no numbers"),
        (lambda path: open_runs(path).compare("latency_p95", "load"), "across 'load': write one of run, "),
        (lambda path: open_runs(path).plot("concurrency", "latency"), "no column 'latency'"),
        (lambda path: open_runs(path).plot_distribution("latncy"), "no column 'latncy'"),
        (lambda path: open_runs(path).select(experiment="one"), "are selected by run, experiment_name"),
        (lambda path: open_runs(path).select(experiment_name="tow"), "no level has experiment_name 'tow': .*one, two"),
    ],
)
def test_a_mistake_is_one_message(results: Path, opening: object, message: str) -> None:
    assert callable(opening)
    with pytest.raises(InputError, match=message):
        opening(results)


def test_a_query_sees_requests_levels_and_runs_together(results: Path) -> None:
    answer = open_runs(results).sql(
        "SELECT runs.status, l.latency_p95, count(*) AS n FROM requests JOIN runs USING (run) "
        "JOIN levels l USING (run, experiment_name, payload_file, load) WHERE error IS NULL AND l.verdict = ? "
        "GROUP BY ALL ORDER BY 2",
        ["valid"],
    )
    assert answer.to_dict("list") == {"status": ["finished"] * 2, "latency_p95": [2.0, 3.0], "n": [1, 1]}


def test_a_selection_narrows_everything_that_is_asked(results: Path) -> None:
    runs = open_runs(results)
    chosen = runs.select(experiment_name="two", load=["concurrency-1", "concurrency-9"])
    assert chosen.levels()["experiment_name"].tolist() == ["two"]
    assert chosen.requests("latency")["latency"].tolist() == [4.0]
    assert chosen.sql("SELECT count(*) AS n FROM records")["n"].tolist() == [1]
    assert chosen[0].table()["levels"].tolist() == [0]
    assert len(runs.levels()) == 3


def test_no_column_that_is_not_asked_for_is_read(results: Path) -> None:
    plan = open_runs(results).sql("EXPLAIN SELECT TTFT FROM requests WHERE success")
    assert "completion" not in plan.to_string()
    assert "event_times" not in plan.to_string()


def test_answers_and_event_times_are_read_only_by_name(results: Path) -> None:
    runs = open_runs(results)
    assert not {"completion", "event_times"} & set(runs.requests().columns)
    frame = runs.requests("completion", "event_times", where="latency > 3.5")
    assert frame["completion"].tolist() == ["an answer"]
    assert list(frame["event_times"][0]) == [101.0, 103.0]


def test_runs_are_compared_level_by_level_with_intervals_and_ratio(results: Path) -> None:
    first, second = open_runs(results).names
    frame = open_runs(results).compare("latency_p95")
    assert list(frame.index) == [("one", "p.jsonl", "concurrency-1")]  # the level of `two` is invalid
    assert frame.iloc[0].to_dict() == {
        first: 2.0, f"{first} low": 1.9, f"{first} high": 2.2,
        second: 3.0, f"{second} low": 2.5, f"{second} high": 3.5, f"{second} / {first}": 1.5,
    }  # fmt: skip


def test_experiments_of_a_run_are_compared_where_both_have_a_level(recorded: Path) -> None:
    frame = open_run(recorded).compare("price_per_txn")
    assert [column for column in frame.columns if "/" in column] == ["two faulty / one", "by token / one"]
    assert frame["one"].notna().sum() == 4


def test_pictures_are_drawn_with_what_was_left_out(results: Path, tmp_path: Path) -> None:
    runs = open_runs(results)
    picture = runs.plot("concurrency", "latency_p95")
    assert picture._repr_png_().startswith(b"\x89PNG")
    texts = [text.get_text() for text in picture.figure.texts]
    assert texts[0] == "latency_p95 against concurrency"
    assert texts[1].endswith("Left out, as invalid or empty: 1.")
    assert picture.figure.axes[0].get_ylabel() == "latency_p95 (s)"
    assert runs.plot_distribution("latency", by="run").save(tmp_path / "d.png").stat().st_size > 1000


def test_a_distribution_is_of_the_successes_that_count(make_run: MakeRun, add_level: AddLevel) -> None:
    run = make_run(FIRST)
    good = [{"last": 101.0 + each} for each in range(5)]
    add_level(run, *good, {"error": "timeout"}, {"phase": "warmup", "last": 190.0})
    curve = open_run(run).plot_distribution("latency").figure.axes[0].lines[0]
    values = pd.Series(curve.get_xdata(), dtype=float)  # type: ignore[arg-type]
    assert (values.min(), values.median(), values.max()) == (1.0, 3.0, 5.0)


def test_what_belongs_to_one_run_alone(recorded: Path) -> None:
    run = open_run(recorded)
    assert run.state["seed"] == 1
    assert run.scraps() == {}
    (recorded / "summary.json").write_text(
        json.dumps({"run": {"name": "mine"}, "decision": {"text": "Take one."}, "levels": []})
    )
    assert run.decision == "Take one."
    assert run.summary == {"run": {"name": "mine"}, "decision": {"text": "Take one."}, "levels": []}


def test_a_summary_that_is_damaged_is_said(make_run: MakeRun) -> None:
    run = make_run(FIRST)
    (run / "summary.json").write_text('{"run": {"na')
    with pytest.raises(
        RunStateError, match=r"cannot read .*summary\.json: .*: run `fmbench report .*` to write it again"
    ):
        _ = open_run(run).decision
