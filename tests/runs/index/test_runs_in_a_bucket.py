"""Runs in a bucket: found by a listing, read once, tagged and deleted there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.runs.index.run_index import known_runs, place_of_results
from tests.bucket_stand_in import StandIn, point_to
from tests.report.site.made_results import made_results

BUCKET = "many-runs"
ADDRESS = f"s3://{BUCKET}/results"


@pytest.fixture
def bucket(moto: StandIn, aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """Three runs in a bucket, beside something else."""
    moto.reset()
    point_to(moto, monkeypatch, tmp_path)
    s3 = moto.client()
    s3.create_bucket(Bucket=BUCKET)
    made_results(tmp_path / "results", 3)
    for path in (one for one in tmp_path.rglob("results/**/*") if one.is_file()):
        s3.put_object(Bucket=BUCKET, Key=path.relative_to(tmp_path).as_posix(), Body=path.read_bytes())
    s3.put_object(Bucket=BUCKET, Key="results/notes.txt", Body=b"-")
    moto.seen.clear()
    return moto


def test_only_what_changed_is_read(bucket: StandIn) -> None:
    first = known_runs(place_of_results(ADDRESS))
    assert (len(first.runs), first.read) == (3, 3)
    assert first.runs[0].place.startswith(f"{ADDRESS}/nightly/")
    bucket.seen.clear()
    assert known_runs(place_of_results(ADDRESS)).runs == first.runs
    assert [call for call in bucket.calls if call.startswith("GET") and "list-type=2" not in call] == []


def test_runs_are_tagged_and_deleted_in_the_bucket(bucket: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    first = known_runs(place_of_results(ADDRESS)).runs[0]
    assert main(["runs", first.run.title, "--results-dir", ADDRESS, "--add-tag", "baseline"]) == 0
    key = f"{first.place.removeprefix(f's3://{BUCKET}/')}/tags.json"
    assert json.loads(bucket.objects(BUCKET)[key]) == {"tags": ["baseline", "release"]}
    assert main(["runs", "--tag", "baseline", "--results-dir", ADDRESS, "--delete", "--yes"]) == 0
    left = bucket.objects(BUCKET)
    assert [name for name in left if name.startswith(f"{key.rpartition('/')[0]}/")] == []
    assert len(known_runs(place_of_results(ADDRESS)).runs) == 2
    assert "results/notes.txt" in left


def test_a_site_of_a_bucket_has_the_reports(bucket: StandIn, tmp_path: Path) -> None:
    assert main(["site", ADDRESS, "--into", str(tmp_path / "site")]) == 0
    assert len(list((tmp_path / "site" / "runs").rglob("report.html"))) == 2


def test_a_bucket_that_is_not_there_is_one_line(bucket: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--results-dir", "s3://no-such-bucket/results"]) == 2
    err = capsys.readouterr().err
    assert "no bucket no-such-bucket" in err
    assert err.count("\n") == 1
