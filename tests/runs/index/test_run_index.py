"""The index reads what is new or changed, and nothing in a folder of results stops it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from fmbench_lib.errors import InputError
from fmbench_lib.host.process_identity import this_process
from fmbench_lib.runs.index import run_index
from fmbench_lib.runs.index.results_folders import INDEX_FILE
from fmbench_lib.runs.index.run_index import KnownRuns, known_runs, place_of_results
from tests.report.site.made_results import BEGINNING, made_results, made_run_folder

HUGE = '{"levels": [{"experiment_name": "a", "payload_file": "b", "load": "c", "requests": 1' + "0" * 400 + "}]}"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Six runs; the second was not analysed."""
    made_results(tmp_path / "results", 6)
    return tmp_path / "results"


def look(results: Path) -> KnownRuns:
    return known_runs(place_of_results(results))


def test_only_what_is_new_or_changed_is_read(results: Path) -> None:
    first = look(results)
    assert (len(first.runs), first.read, list(first.left_out)) == (6, 6, [])
    again = look(results)
    assert (again.read, again.runs) == (0, first.runs)
    summary = Path(first.runs[2].place) / "summary.json"
    content = json.loads(summary.read_text())
    content["levels"][0]["latency_p95"] = 99.5
    summary.write_text(json.dumps(content))
    made_run_folder(results / "nightly" / "20261201-000000Z", BEGINNING + timedelta(days=300))
    third = look(results)
    assert third.read == 2
    assert third.runs[2].run.levels[0].figures["latency_p95"] == 99.5
    assert [one.run.run_id for one in third.runs][-1] == "20261201-000000Z"
    shutil.rmtree(third.runs[0].place)
    fourth = look(results)
    assert (fourth.read, len(fourth.runs)) == (0, 6)
    assert first.runs[0] not in fourth.runs


def test_the_index_is_the_same_when_it_is_made_anew(results: Path) -> None:
    before = look(results).runs
    (results / INDEX_FILE).unlink()
    assert (look(results).runs, look(results).read) == (before, 0)
    (results / INDEX_FILE).write_bytes(b"not a database" * 100)
    damaged = look(results)
    assert (damaged.runs, damaged.read) == (before, 6)


def test_an_index_of_another_version_is_made_anew(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = look(results).runs
    monkeypatch.setattr(run_index, "VERSION", 2)
    after = look(results)
    assert (after.runs, after.read) == (before, 6)


def test_an_index_that_cannot_be_kept_is_made_for_this_once(results: Path) -> None:
    (results / INDEX_FILE).mkdir()
    assert [look(results).read, look(results).read] == [6, 6]


def test_an_index_that_another_process_has_open_is_left_alone(results: Path) -> None:
    before = look(results).runs
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(results / INDEX_FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"1\n"
        during = look(results)
        other.communicate(b"")
    assert (during.runs, during.read) == (before, 6)
    assert look(results).read == 0


def test_the_index_can_be_asked_in_sql(results: Path) -> None:
    look(results)
    with duckdb.connect(str(results / INDEX_FILE), read_only=True) as index:
        counted = index.execute("SELECT model, count(*) FROM levels GROUP BY model ORDER BY model").fetchall()
    assert [model for model, _ in counted] == ["org/llama-8b", "org/mistral-7b", "org/qwen-14b"]


def test_damaged_and_foreign_folders_are_a_line_each(results: Path) -> None:
    good = len(look(results).runs)
    (results / "holiday" / "photos").mkdir(parents=True)
    (results / ".cache").mkdir()
    (results / "nightly" / "half").mkdir()
    for name, content in {"list": "[1]", "cut": '{"run_id": "x', "empty": "", "other": '{"a": 1}'}.items():
        (results / "odd" / name).mkdir(parents=True)
        (results / "odd" / name / "run.json").write_text(content)
    (results / "odd" / "bytes").mkdir()
    (results / "odd" / "bytes" / "run.json").write_bytes(b"\xff\xfe\x00{")
    found = look(results)
    assert len(found.runs) == good
    assert sorted(line.removeprefix(f"{results}/").split(":")[0] for line in found.left_out) == [
        "holiday", "nightly/half", "odd/bytes", "odd/cut", "odd/empty", "odd/list", "odd/other",
    ]  # fmt: skip
    assert all("\n" not in line for line in found.left_out)
    assert look(results).read == 0, "what is damaged is not read again either"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("summary.json", "{"),
        ("summary.json", "[]"),
        ("summary.json", '{"format": 7, "levels": []}'),
        ("summary.json", '{"levels": [{"load": "concurrency-1"}]}'),
        ("summary.json", HUGE),
        ("config.yml", "a: [b"),
        ("config.yml", "experiments: 3"),
        ("prompts/payloads.json", '{"payloads": 3}'),
        ("tags.json", "x"),
    ],
)
def test_a_damaged_file_costs_what_it_would_have_told(name: str, content: str, results: Path) -> None:
    path = Path(look(results).runs[0].place)
    (path / name).write_text(content)
    found = look(results)
    assert (len(found.runs), found.read) == (6, 1)
    assert found.runs[0].run.problem != ""
    assert "\n" not in found.runs[0].run.problem
    assert all(one.run.problem == "" for one in found.runs[1:])


def test_a_copy_of_a_run_is_no_second_measurement(results: Path) -> None:
    original = Path(look(results).runs[0].place)
    shutil.copytree(original, results / "zcopies" / "of it")
    found = look(results)
    assert len(found.runs) == 6
    assert list(found.left_out) == [f"{results / 'zcopies' / 'of it'}: a copy of {original}"]
    (original / "summary.json").write_text("{")
    assert list(look(results).left_out) == [f"{original}: a copy of {results / 'zcopies' / 'of it'}"]


def test_texts_that_no_table_can_hold_are_kept_as_far_as_possible(tmp_path: Path) -> None:
    hostile = {"name": "a\ud800b\x00", "status": "<script>"}
    made_run_folder(tmp_path / "x" / "1", BEGINNING, changes=hostile)
    (known,) = look(tmp_path).runs
    assert known.run.name.startswith("a?b")
    assert known.run.status == "<script>"


def test_a_run_that_goes_on_is_read_each_time_until_it_has_ended(tmp_path: Path) -> None:
    going = this_process()
    path = made_run_folder(tmp_path / "x" / "1", BEGINNING, changes={"status": "running", "process": going})
    assert look(tmp_path).runs[0].run.status == "running"
    assert look(tmp_path).read == 1
    state = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps(state | {"process": {**going, "boot": "an earlier one"}}))
    assert [look(tmp_path).runs[0].run.status, look(tmp_path).read] == ["interrupted", 0]


def test_a_place_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        look(tmp_path / "none")
    with pytest.raises(InputError, match="not an S3 address"):
        place_of_results("s3://")
