"""A bucket that becomes unreachable and comes back while a run goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fmbench_lib.errors import InputError, RunStateError
from fmbench_lib.storage.bucket import Address
from fmbench_lib.storage.mirror import Mirror, parse_run_address, runs_in, why_behind
from fmbench_lib.workspace import LevelKey, Workspace
from tests.bucket_stand_in import StandIn
from tests.storage.conftest import BUCKET


def events(run: Workspace) -> list[str]:
    return [json.loads(line)["event"] for line in run.events_file.read_text().splitlines()]


def test_an_unreachable_bucket_is_reported_once_and_completed_later(
    s3: StandIn, run: Workspace, mirror: Mirror
) -> None:
    kept = replace(run, send=mirror)
    assert kept.keep()
    s3.stop()
    kept.level(LevelKey("one", "all.jsonl", "concurrency-2")).write_bytes(b"measured meanwhile")
    assert not kept.keep()
    since = json.loads(kept.behind_file.read_text())["since"]
    assert not kept.keep(insist=True)
    assert json.loads(kept.behind_file.read_text())["since"] == since
    assert events(kept) == ["bucket behind"]
    assert "my-runs" in str(why_behind(kept))
    assert "\n" not in str(why_behind(kept))
    (outage,) = kept.read_run()["kept"]["outages"]
    assert outage["since"] == since
    s3.start()
    s3.seen.clear()
    assert not kept.keep()  # it rests, so that a bucket that is away costs no time at each level
    assert s3.calls == []
    assert kept.keep(kept.run_file)  # what cannot wait is tried all the same
    assert why_behind(kept) is not None
    assert kept.keep(insist=True)
    assert why_behind(kept) is None
    there = s3.objects(BUCKET, f"{mirror.address.key}/")
    assert there == {path.relative_to(kept.path).as_posix(): path.read_bytes() for path in kept.complete_files()}


def test_a_bucket_that_times_out_is_tried_less_often(s3: StandIn, run: Workspace, mirror: Mirror) -> None:
    kept = replace(run, send=mirror)
    for took, sent in ((60.0, False), (1.0, True)):
        mirror.record_outage(kept, "it does not answer", took)
        assert kept.keep(insist=True) == sent
    assert len([call for call in s3.calls if call.startswith("PUT")]) == 3  # what is there once it was asked


def test_a_run_that_its_bucket_refuses_does_not_begin(s3: StandIn, run: Workspace) -> None:
    with pytest.raises(
        InputError, match=r"s3://nobodys/results/x: uploading s3://nobodys/.*: there is no bucket of this name"
    ):
        Mirror(Address("nobodys", "results/x")).begin(run)


def test_two_runs_of_one_second_do_not_mix(s3: StandIn, run: Workspace, elsewhere: Workspace, mirror: Mirror) -> None:
    mirror.begin(run)
    elsewhere.path.mkdir(parents=True)
    elsewhere.run_file.write_text('{"steps": {}, "of": "another"}')
    with pytest.raises(InputError, match="start again"):
        mirror.begin(elsewhere)


def test_a_directory_is_removed_only_when_the_bucket_has_all_of_it(s3: StandIn, run: Workspace, mirror: Mirror) -> None:
    mirror.send(run)
    run.log_event("not sent")
    assert not mirror.release(run)
    assert run.path.exists()
    mirror.send(run)
    s3.stop()
    assert not mirror.release(run)
    s3.start()
    assert mirror.release(run)
    assert not run.path.exists()


def test_a_directory_with_something_that_is_not_sent_stays(s3: StandIn, run: Workspace, mirror: Mirror) -> None:
    notes = run.path / ".notes.txt"
    notes.write_text("mine")
    mirror.send(run)
    assert not mirror.release(run)
    assert notes.read_text() == "mine"


def test_the_runs_of_a_name_newest_first(s3: StandIn) -> None:
    for key in ("a b/20260101-000000Z/run.json", "a b/20260201-000000Z/run.json", "other/20260301-000000Z/run.json"):
        s3.client().put_object(Bucket=BUCKET, Key=f"results/{key}", Body=b"{}")
    found = [str(address) for address in runs_in(BUCKET, "a b")]
    assert found == [f"s3://{BUCKET}/results/a b/20260201-000000Z", f"s3://{BUCKET}/results/a b/20260101-000000Z"]


def test_addresses_that_are_not_of_runs() -> None:
    assert parse_run_address("s3://b/results/n/r/") == ("b", "results/n/r")
    for text in ("s3://", "s3://bucket", "s3://bucket/run", "results/x/y"):
        with pytest.raises(InputError):
            parse_run_address(text)


def test_another_process_at_work_is_not_disturbed(
    s3: StandIn, run: Workspace, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmbench_lib.storage.mirror._PATIENCE_S", 0.0)
    with run.locked("bucket"), pytest.raises(RunStateError):
        mirror.send(run)
