"""A run that only a bucket has is opened by its address, and only what questions need is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib import open_run, open_runs
from fmbench_lib.errors import InputError
from tests.bucket_stand_in import StandIn, point_to
from tests.steps.explore.conftest import RECORDED

ADDRESS = "s3://my-runs/results/recorded/20261129-223952Z"


@pytest.fixture
def bucket(moto: StandIn, aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandIn:
    """A bucket with the recorded run, a log and the raw responses of a level."""
    moto.reset()
    point_to(moto, monkeypatch, tmp_path)
    s3 = moto.client()
    s3.create_bucket(Bucket="my-runs")
    prefix = ADDRESS.removeprefix("s3://my-runs/")
    for path in (path for path in RECORDED.rglob("*") if path.is_file()):
        s3.put_object(Bucket="my-runs", Key=f"{prefix}/{path.relative_to(RECORDED)}", Body=path.read_bytes())
    for name in ("logs/server.log", "requests/one/payload_en_1-225/concurrency-1.raw.zst"):
        s3.put_object(Bucket="my-runs", Key=f"{prefix}/{name}", Body=b"large")
    return moto


def test_a_run_is_opened_by_its_address(bucket: StandIn, tmp_path: Path) -> None:
    run = open_run(ADDRESS, tmp_path / "here")
    assert run.path == tmp_path / "here" / "recorded" / "20261129-223952Z"
    assert len(run.levels()) == 7
    assert run.sql("SELECT count(*) AS n FROM records")["n"].tolist() == [238]
    fetched = {path.name for path in run.path.rglob("*") if path.is_file()}
    assert not fetched & {"server.log", "concurrency-1.raw.zst", "payloads.json"}
    assert open_runs([run.path]).names == [run.name]


def test_an_address_without_a_run_is_said(bucket: StandIn, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no run at s3://my-runs/results/recorded/20200101-000000Z"):
        open_run("s3://my-runs/results/recorded/20200101-000000Z", tmp_path)
