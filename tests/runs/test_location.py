"""Where a run is kept: what the command line and the config say, and runs that only a bucket has."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.cli import commands as cli
from fmbench_lib.cli import run_command
from fmbench_lib.cli.terminal import print_location
from fmbench_lib.errors import InputError, RunStateError
from fmbench_lib.host.atomic_files import write_json
from fmbench_lib.runs.location import DEFAULT_STORAGE, StorageOptions, is_scratch, keeper_of
from fmbench_lib.runs.opening import create_run, local_run, newest_run, open_run, reopen_run
from fmbench_lib.runs.run import Run
from tests.bucket_stand_in import StandIn, point_to

RUNS = "my-runs"
ACCOUNT = "123456789012"
DEFAULT = f"sagemaker-fmbench-write-us-east-1-{ACCOUNT}"


@pytest.fixture
def s3(moto: StandIn, aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    moto.reset()
    point_to(moto, monkeypatch, tmp_path)
    moto.client().create_bucket(Bucket=RUNS)
    monkeypatch.chdir(tmp_path)
    yield moto
    if not moto.running:
        moto.start()


def write(folder: Path, **sections: Any) -> Path:
    config = {
        "general": {"name": "test"},
        "datasets": {"filters": [{"max_length_in_tokens": 500}]},
        "experiments": [
            {
                "platform": "endpoint",
                "ep_name": "http://127.0.0.1:9/v1",
                "tokenizer": "words",
                "model_id": "m",
                "concurrency_levels": [1],
            }
        ],
        **sections,
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(config))
    return path


def made(tmp_path: Path, storage: StorageOptions = DEFAULT_STORAGE, **aws: Any) -> Run:
    return create_run(write(tmp_path, aws=aws), results=tmp_path / "results", storage=storage)


@pytest.mark.parametrize(
    ("storage", "aws", "where", "bucket"),
    [
        (StorageOptions(), {}, "local", None),
        (StorageOptions(), {"bucket": RUNS}, "local", None),
        (StorageOptions(write_bucket=RUNS), {}, "both", RUNS),
        (StorageOptions(write_bucket=f"s3://{RUNS}/"), {"s3_and_or_local_file_system": "s3"}, "s3", RUNS),
        (StorageOptions(), {"bucket": RUNS, "s3_and_or_local_file_system": "both"}, "both", RUNS),
        (StorageOptions(write_bucket=RUNS), {"bucket": "other", "s3_and_or_local_file_system": "s3"}, "s3", RUNS),
        (StorageOptions(), {"s3_and_or_local_file_system": "s3"}, "s3", DEFAULT),
        (StorageOptions(), {"bucket": "{write_bucket}", "s3_and_or_local_file_system": "both"}, "both", DEFAULT),
        (StorageOptions(True, RUNS), {"bucket": RUNS, "s3_and_or_local_file_system": "s3"}, "local", None),
    ],
)
def test_where_a_run_is_kept(
    s3: StandIn, tmp_path: Path, storage: StorageOptions, aws: dict[str, str], where: str, bucket: str | None
) -> None:
    s3.client().create_bucket(Bucket=DEFAULT)
    s3.seen.clear()
    run = made(tmp_path, storage, **aws)
    kept = run.workspace.read_run()["kept"]
    address = None if bucket is None else f"s3://{bucket}/results/test/{run.workspace.run_id}"
    assert (kept["where"], kept["address"]) == (where, address)
    assert is_scratch(run.workspace) == (where == "s3")
    if bucket is None:
        assert s3.calls == []
    else:
        assert {"run.json", "config.yml"} <= set(s3.objects(bucket, f"results/test/{run.workspace.run_id}/"))


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        (StorageOptions(write_bucket="nobodys"), "there is no bucket nobodys"),
        (StorageOptions(), f"the default one cannot be used: there is no bucket {DEFAULT}"),
    ],
)
def test_an_unusable_bucket_is_bad_input_before_anything_is_made(
    s3: StandIn, tmp_path: Path, storage: StorageOptions, message: str
) -> None:
    with pytest.raises(InputError) as error:
        made(tmp_path, storage, s3_and_or_local_file_system="s3")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()


def test_no_credentials_and_no_answer_are_bad_input(
    s3: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.stop()
    with pytest.raises(InputError, match="cannot be reached or does not answer"):
        made(tmp_path, StorageOptions(write_bucket=RUNS))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(InputError, match="no AWS credentials found"):
        made(tmp_path, StorageOptions(write_bucket=RUNS))
    with pytest.raises(InputError, match="depends on the account: no AWS credentials found"):
        made(tmp_path, s3_and_or_local_file_system="both")
    assert not (tmp_path / "results").exists()


def test_a_bucket_that_may_be_listed_but_not_written_to(
    s3: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    from fmbench_lib.storage.bucket import Bucket

    def denied(self: Bucket, *_: Any) -> None:
        with self._translated("uploading", "run.json"):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")

    monkeypatch.setattr(Bucket, "put", denied)
    with pytest.raises(InputError, match=r"uploading s3://.*/run\.json: not allowed: no; grant the caller's role"):
        made(tmp_path, StorageOptions(write_bucket=RUNS))
    assert list((tmp_path / "results").rglob("*.json")) == []


def test_a_run_is_opened_from_its_bucket_alone(s3: StandIn, tmp_path: Path) -> None:
    run = made(tmp_path, StorageOptions(write_bucket=RUNS))
    shutil.rmtree(tmp_path / "results")
    address = f"s3://{RUNS}/results/test/{run.workspace.run_id}"
    path = local_run(address, tmp_path / "elsewhere")
    again = reopen_run(path)
    assert path == tmp_path / "elsewhere" / "test" / run.workspace.run_id
    assert str(keeper_of(again.workspace).address) == address  # type: ignore[union-attr]
    with pytest.raises(InputError, match=f"there is no run at {address}-2"):
        local_run(f"{address}-2", tmp_path / "elsewhere")
    with pytest.raises(InputError, match="there is no bucket nobodys"):
        local_run("s3://nobodys/results/test/x", tmp_path / "elsewhere")


def test_the_config_is_fetched_from_its_address_or_must_be_given(s3: StandIn, tmp_path: Path) -> None:
    text = write(tmp_path).read_text()
    s3.client().put_object(Bucket=RUNS, Key="configs/mine.yml", Body=text.encode())
    address = f"s3://{RUNS}/configs/mine.yml"
    run = create_run(address, results=tmp_path / "results", storage=StorageOptions(write_bucket=RUNS))
    shutil.rmtree(tmp_path / "cache")
    assert reopen_run(run.workspace.path).loaded.text == run.loaded.text
    s3.client().put_object(Bucket=RUNS, Key="configs/mine.yml", Body=text.replace("test", "other").encode())
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(RunStateError, match="has changed since"):
        reopen_run(run.workspace.path)
    run = made(tmp_path)
    kept = tmp_path / "test.yml"
    moved = kept.rename(tmp_path / "moved.yml")
    with pytest.raises(RunStateError, match="is not on this machine: name it with --config-file"):
        reopen_run(run.workspace.path)
    assert reopen_run(run.workspace.path, config_file=moved).loaded.path == moved


def test_resume_takes_the_newest_unfinished_run_here_or_in_the_bucket(
    s3: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = {"bucket": RUNS, "s3_and_or_local_file_system": "both"}
    config = write(tmp_path, aws=aws)
    with pytest.raises(RunStateError, match="there is no unfinished run"):
        newest_run(str(config), tmp_path / "results", {}, {}, StorageOptions())
    older = made(tmp_path, **aws)
    newer = made(tmp_path, **aws)
    shutil.rmtree(newer.workspace.path)
    found = newest_run(str(config), tmp_path / "results", {}, {}, StorageOptions())
    assert found == newer.workspace.path
    assert (found / "run.json").exists()
    newer.workspace.update_run(status="finished")
    newer.workspace.keep()
    assert newest_run(str(config), tmp_path / "results", {}, {}, StorageOptions()) == older.workspace.path
    shutil.rmtree(tmp_path / "results")
    monkeypatch.setenv("FMBENCH_RESULTS_DIR", str(tmp_path / "results"))
    assert open_run(config).workspace.run_id == older.workspace.run_id  # as a notebook on a new machine does


def test_prompts_are_copied_from_a_run_that_only_the_bucket_has(s3: StandIn, tmp_path: Path) -> None:
    from fmbench_lib.steps.data_generation import generate_data
    from fmbench_lib.steps.run_inputs.payloads import earlier_prompts, payload_table

    aws = {"bucket": RUNS, "s3_and_or_local_file_system": "s3"}
    first = made(tmp_path, **aws)
    generate_data(first)
    shutil.rmtree(first.workspace.path)
    config = write(tmp_path, aws=aws, run_steps={"1_generate_data": False})
    (tmp_path / "results" / "test" / first.workspace.run_id).mkdir()  # so that the next one has another name
    second = create_run(config, results=tmp_path / "results")
    assert second.workspace.run_id != first.workspace.run_id
    assert earlier_prompts(second).run_id == first.workspace.run_id
    generate_data(second)
    assert len(payload_table(second)) == 1
    assert second.workspace.payload("payload_en_1-500.jsonl").stat().st_size > 1000
    assert not [name for name in s3.objects(RUNS) if "earlier" in name]


def test_local_mode_makes_no_aws_call(s3: StandIn, tmp_path: Path) -> None:
    s3.stop()
    run = made(tmp_path, StorageOptions(local_only=True, write_bucket="placeholder"), s3_and_or_local_file_system="s3")
    assert run.local_only
    assert reopen_run(run.workspace.path).local_only
    assert keeper_of(run.workspace) is None


# -- commands --------------------------------------------------------------------------------------------------------


def test_sync_prints_what_it_sent(s3: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = made(tmp_path, StorageOptions(write_bucket=RUNS))
    s3.stop()
    run.workspace.log_event("something")
    assert not run.workspace.keep()
    assert cli.main(["sync", str(run.workspace.path)]) == 1
    assert "cannot be reached" in capsys.readouterr().err
    s3.start()
    assert cli.main(["sync", str(run.workspace.path)]) == 0
    assert capsys.readouterr().out.startswith("2 files sent, ")  # the events, and the state with its outage
    assert not run.workspace.behind_file.exists()
    alone = made(tmp_path)
    assert cli.main(["sync", str(alone.workspace.path)]) == 2
    assert "was made without a bucket" in capsys.readouterr().err
    assert cli.main(["sync", "s3://my-runs/results/test/x"]) == 2


def test_cleanup_works_from_another_machine(s3: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from fmbench_lib.deploy.endpoints_file import record
    from fmbench_lib.deploy.platform import Endpoint

    run = made(tmp_path, StorageOptions(write_bucket=RUNS))
    resources = ({"pid": 2**22 - 3, "started": 1.0, "booted": 1.0, "port": 9, "log_file": "x.log"},)
    record(run.workspace, Endpoint("one", "local", ("http://127.0.0.1:9",), owned=True, resources=resources))
    address = f"s3://{RUNS}/results/test/{run.workspace.run_id}"
    shutil.rmtree(tmp_path / "results")
    assert cli.main(["cleanup", address]) == 0
    message = capsys.readouterr().out
    assert "one: deleted" in message
    there = s3.objects(RUNS, f"results/test/{run.workspace.run_id}/")
    assert json.loads(there["endpoints.json"])["one"]["deleted_at"] is not None


def test_only_a_directory_that_is_complete_in_its_bucket_is_deleted(
    s3: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = made(tmp_path, StorageOptions(write_bucket=RUNS)).workspace
    print_location(both, may_delete=True)
    assert both.path.exists()
    capsys.readouterr()
    run = made(tmp_path, StorageOptions(), bucket=RUNS, s3_and_or_local_file_system="s3").workspace
    address = str(keeper_of(run).address)  # type: ignore[union-attr]
    for name in ("steps left", "standing"):
        if name == "standing":
            write_json(run.endpoints_file, {"one": {"experiment_name": "one", "platform": "local", "owned": True}})
            assert run.keep()
        print_location(run, may_delete=name == "standing")
        assert capsys.readouterr().out == f"kept in: {address}\n"
        assert run.path.exists()
    run.endpoints_file.unlink()
    print_location(run, may_delete=True)
    assert capsys.readouterr().out.endswith(f"is deleted; fmbench report {address} fetches it again\n")
    assert not run.path.exists()


def test_resume_needs_a_run_or_a_config() -> None:
    with pytest.raises(InputError, match="needs a run directory, or --config-file"):
        run_command._resumed(Namespace(config_file=None, config=None, results_dir=None, resume=""), {})
    with pytest.raises(InputError, match="leave out --config-file"):
        run_command._resumed(Namespace(config_file="x.yml", config=None, results_dir=None, resume="results/x"), {})
