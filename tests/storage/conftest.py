"""A bucket, and a run directory beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fmbench_lib.host.atomic_files import write_json
from fmbench_lib.storage.bucket import Address
from fmbench_lib.storage.mirror import Mirror
from fmbench_lib.workspace import LevelKey, Workspace, create_workspace
from tests.bucket_stand_in import StandIn, point_to

BUCKET = "my-runs"


@pytest.fixture
def s3(moto: StandIn, aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    """S3 with one empty bucket, `my-runs`."""
    moto.reset()
    point_to(moto, monkeypatch, tmp_path)
    moto.client().create_bucket(Bucket=BUCKET)
    moto.seen.clear()
    yield moto
    if not moto.running:
        moto.start()


@pytest.fixture
def run(tmp_path: Path) -> Workspace:
    """A run directory with a state and a level."""
    made = create_workspace(tmp_path / "here", "test")
    address = f"s3://{BUCKET}/results/test/{made.run_id}"
    write_json(made.run_file, {"run_id": made.run_id, "steps": {}, "kept": {"where": "both", "address": address}})
    level = made.level(LevelKey("one", "all.jsonl", "concurrency-1"))
    level.parent.mkdir(parents=True)
    level.write_bytes(b"records")
    return made


@pytest.fixture
def mirror(run: Workspace) -> Mirror:
    return Mirror(Address(BUCKET, f"results/test/{run.run_id}"))


@pytest.fixture
def elsewhere(tmp_path: Path, run: Workspace) -> Workspace:
    """The directory of the same run on another machine, not there yet."""
    return Workspace(tmp_path / "there" / "test" / run.run_id)
