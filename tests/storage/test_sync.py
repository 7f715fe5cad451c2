"""What is sent, what is fetched, and what is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.errors import RunStateError, StorageError
from fmbench_lib.host.atomic_files import write_json
from fmbench_lib.storage import sync
from fmbench_lib.storage.mirror import Mirror
from fmbench_lib.storage.sync import RunCopy
from fmbench_lib.workspace import LevelKey, Workspace
from tests.bucket_stand_in import StandIn
from tests.storage.conftest import BUCKET

LEVEL = "requests/one/all/concurrency-1.parquet"


def complete(run: Workspace) -> dict[str, bytes]:
    return {path.relative_to(run.path).as_posix(): path.read_bytes() for path in run.complete_files()}


def test_all_that_is_complete_is_sent_and_the_rest_stays(s3: StandIn, run: Workspace, mirror: Mirror) -> None:
    run.log_event("something")
    run.level_scratch(LevelKey("one", "all.jsonl", "concurrency-2")).mkdir()
    (run.level_scratch(LevelKey("one", "all.jsonl", "concurrency-2")) / "0.spool").write_text("under way")
    run.progress_file.write_text("{}")
    (run.logs / "outside").symlink_to(Path(__file__))
    run.notebook("2_deploy_model").write_text("done")
    run.notebook("3_run_inference").write_text("with a secret that is still to be taken out")
    run.update_run(steps={"2_deploy_model": {"status": "done"}, "3_run_inference": {"status": "running"}})
    with run.locked("pipeline"):
        sent = mirror.send(run)
    there = s3.objects(BUCKET, f"{mirror.address.key}/")
    assert set(there) == {"run.json", "events.jsonl", LEVEL, "notebooks/2_deploy_model.ipynb"}
    assert there == complete(run)
    assert sent.files == 4
    assert (
        s3.client().head_object(Bucket=BUCKET, Key=mirror.address.below("run.json").key)["ContentType"].endswith("json")
    )
    puts = [call for call in s3.calls if call.startswith("PUT")]
    assert puts[-1].endswith("/run.json")  # says of nothing that it is there before it is


def test_only_what_differs_is_sent(s3: StandIn, run: Workspace, mirror: Mirror) -> None:
    assert mirror.send(run).files == 2
    s3.seen.clear()
    assert mirror.send(run).files == 0
    assert s3.calls == []
    run.run_file.write_text(run.run_file.read_text())  # a new date, the same content
    assert mirror.send(run).files == 0
    run.log_event("something")
    assert mirror.send(run).files == 1


def test_a_large_file_travels_in_parts_both_ways(
    s3: StandIn, run: Workspace, elsewhere: Workspace, mirror: Mirror
) -> None:
    content = bytes(range(256)) * 4 * 1024 * 9
    (run.logs / "server.log").write_bytes(content)
    mirror.send(run)
    parts = [call for call in s3.calls if call.startswith("PUT") and "partNumber" in call]
    assert len(parts) == 2
    assert any(call.startswith("POST") and "uploadId" in call for call in s3.calls)
    assert mirror.fetch(elsewhere) == 3
    assert (elsewhere.logs / "server.log").read_bytes() == content


def test_a_file_that_grows_while_it_is_sent_arrives_as_it_was_and_then_as_it_is(
    s3: StandIn, run: Workspace, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "PART_BYTES", 10)
    log = run.logs / "server.log"
    log.write_bytes(b"x" * 100)
    plain = RunCopy._put

    def put_while_growing(self: RunCopy, name: str, path: Path, local: sync._Local) -> None:
        if path == log and len(log.read_bytes()) == 100:
            log.write_bytes(b"x" * 150)
        plain(self, name, path, local)

    monkeypatch.setattr(RunCopy, "_put", put_while_growing)
    mirror.send(run)
    key = f"{mirror.address.key}/logs/server.log"
    assert s3.objects(BUCKET, key)[""] == b"x" * 100
    assert mirror.send(run, growing=False).files == 0  # between levels
    assert mirror.send(run).files == 1
    assert s3.objects(BUCKET, key)[""] == b"x" * 150


def test_a_run_that_continued_on_another_machine_is_not_overwritten(
    s3: StandIn, run: Workspace, elsewhere: Workspace, mirror: Mirror
) -> None:
    mirror.send(run)
    assert mirror.fetch(elsewhere) == 2
    assert complete(elsewhere) == complete(run)
    second = elsewhere.level(LevelKey("one", "all.jsonl", "concurrency-2"))
    second.write_bytes(b"measured there")
    elsewhere.update_run(status="finished")
    assert mirror.send(elsewhere).left == []

    run.update_run(status="interrupted")
    sent = mirror.send(run)
    assert (sent.files, sent.left) == (0, ["run.json"])
    third = run.level(LevelKey("one", "all.jsonl", "concurrency-3"))
    third.write_bytes(b"measured here, not sent before")
    assert mirror.send(run).files == 1

    assert mirror.fetch(run) == 2  # the level measured there, and the newer state
    assert run.read_run()["status"] == "finished"
    assert third.exists()
    assert mirror.send(run).left == []
    assert s3.objects(BUCKET, f"{mirror.address.key}/") == complete(run)


def test_local_changes_stay(s3: StandIn, run: Workspace, mirror: Mirror) -> None:
    mirror.send(run)
    run.update_run(status="interrupted")
    assert mirror.fetch(run) == 0
    assert run.read_run()["status"] == "interrupted"
    run.bucket_file.unlink()  # forgotten: nobody knows any more who was first, and the bucket has gone on
    assert mirror.fetch(run) == 1
    assert "status" not in run.read_run()


def test_killed_after_an_upload_and_before_it_was_recorded(s3: StandIn, run: Workspace, mirror: Mirror) -> None:
    mirror.send(run)
    noted = run.bucket_file.read_text()
    run.update_run(status="running")
    mirror.send(run)
    run.bucket_file.write_text(noted)
    run.update_run(status="interrupted")
    assert mirror.fetch(run) == 0  # what is there was put by this directory: it is the older one
    assert mirror.send(run).left == []
    assert s3.objects(BUCKET, f"{mirror.address.key}/") == complete(run)


def test_endpoints_recorded_differently_on_two_machines_are_not_lost(
    s3: StandIn, run: Workspace, elsewhere: Workspace, mirror: Mirror
) -> None:
    write_json(run.endpoints_file, {})
    mirror.send(run)
    mirror.fetch(elsewhere)
    write_json(elsewhere.endpoints_file, {"there": {}})
    mirror.send(elsewhere)
    write_json(run.endpoints_file, {"here": {}})
    with pytest.raises(RunStateError, match=rf"delete those of this machine with fmbench cleanup {run.path}"):
        mirror.fetch(run)
    assert "here" in run.endpoints_file.read_text()


def test_the_failure_of_a_level_is_removed_once_the_level_is_measured(
    s3: StandIn, run: Workspace, elsewhere: Workspace, mirror: Mirror
) -> None:
    failure = run.failed_level(LevelKey("one", "all.jsonl", "concurrency-2"))
    failure.write_text("{}")
    other = run.logs / "kept.log"
    other.write_text("x")
    mirror.send(run)
    failure.unlink()
    other.unlink()
    mirror.send(run)
    mirror.fetch(elsewhere)
    assert elsewhere.failed_levels() == []
    assert (elsewhere.logs / "kept.log").exists()  # only what a run takes back itself is removed


def test_a_file_that_arrives_corrupt_is_rejected(
    s3: StandIn, run: Workspace, elsewhere: Workspace, mirror: Mirror
) -> None:
    mirror.send(run)
    key = f"{mirror.address.key}/{LEVEL}"
    kept = s3.client().head_object(Bucket=BUCKET, Key=key)["Metadata"]
    s3.client().put_object(Bucket=BUCKET, Key=key, Body=b"rec0rds", Metadata=kept)
    with pytest.raises(StorageError, match="arrived corrupt"):
        mirror.fetch(elsewhere)
    assert not (elsewhere.path / LEVEL).exists()


def test_names_that_lead_out_of_the_directory_are_not_followed(
    s3: StandIn, run: Workspace, elsewhere: Workspace, mirror: Mirror
) -> None:
    mirror.send(run)
    for name in ("../outside", ".bucket.json", ".git/config"):
        s3.client().put_object(Bucket=BUCKET, Key=f"{mirror.address.key}/{name}", Body=b"x")
    assert mirror.fetch(elsewhere) == 2
    assert not (elsewhere.path.parent / "outside").exists()
    assert "directory" in elsewhere.bucket_file.read_text()


def test_objects_lost_in_the_bucket_are_sent_again(s3: StandIn, run: Workspace, mirror: Mirror) -> None:
    mirror.send(run)
    s3.client().delete_object(Bucket=BUCKET, Key=f"{mirror.address.key}/{LEVEL}")
    assert mirror.send(run).files == 0  # what this directory knows of
    assert mirror.synchronise(run).files == 1
    assert mirror.synchronise(run).files == 0
    assert s3.objects(BUCKET, f"{mirror.address.key}/") == complete(run)
