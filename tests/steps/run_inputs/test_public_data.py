"""Public data sets come from the Hub to where configs look for them, and what they are is noted beside them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import huggingface_hub.constants
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fmbench_lib.config import parse_config
from fmbench_lib.data.image_cells import image_of_cell
from fmbench_lib.data.public_sets.catalogue import SETS, set_named
from fmbench_lib.errors import DataError, InputError
from fmbench_lib.models.cache import ModelFileError
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import sources
from fmbench_lib.steps.run_inputs.public_data import Fetched, fetch_set
from fmbench_lib.workspace import Workspace
from tests.bucket_stand_in import StandIn
from tests.hub_stand_in import COMMIT, HubStandIn

ROWS = b'{"input": "a", "context": "b"}\n{"input": "c", "context": "d"}\n'
PNG = b"\x89PNG\r\n\x1a\nrest"


def archive(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        for name in names:
            opened.writestr(name, ROWS)
    return content.getvalue()


def parquet(rows: list[dict[str, Any]]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubStandIn]:
    picture = {"question": "q", "image": {"bytes": PNG, "path": None}}
    stand_in = HubStandIn(
        {
            "THUDM/LongBench": {"data.zip": archive(*(f"data/{name}" for name in SETS["longbench"].targets))},
            "Open-Orca/OpenOrca": {"1M-GPT4-Augmented.parquet": parquet([{"question": "é"}, {"question": "f"}])},
            "databricks/databricks-dolly-15k": {"databricks-dolly-15k.jsonl": ROWS},
            "rajpurkar/squad": {
                "plain_text/train-00000-of-00002.parquet": parquet([{"question": "1"}]),
                "plain_text/train-00001-of-00002.parquet": parquet([{"question": "2"}]),
            },
            "AdaptLLM/finance-tasks": {"ConviFinQA/test.json": b'[{"input": "x"}, {"input": "y"}]'},
            "derek-thomas/ScienceQA": {
                f"data/{split}-00000-of-00001.parquet": parquet([picture]) for split in ("train", "validation", "test")
            },
            "mteb/banking77": {"README.md": b"moved"},
        }
    )
    monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield stand_in
    stand_in.stop()


def fetch(name: str, into: Path | str, **options: Any) -> list[Fetched]:
    return fetch_set(set_named(name), str(into), say=lambda line: None, **options)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_archive_is_unpacked_to_the_names_that_configs_have(hub: HubStandIn, tmp_path: Path) -> None:
    fetch("longbench", tmp_path)
    data = tmp_path / "source_data"
    assert {path.name for path in data.glob("*.jsonl")} == set(SETS["longbench"].targets)
    assert (data / "2wikimqa_e.jsonl").read_bytes() == ROWS
    noted = json.loads((data / "SOURCES.json").read_text())["files"]["2wikimqa_e.jsonl"]
    assert (noted["revision"], noted["licence"], noted["repository"]) == (COMMIT, "mit", "THUDM/LongBench")
    assert noted["sha256"] == hashlib.sha256(ROWS).hexdigest()
    assert sum(call == f"GET /datasets/THUDM/LongBench/resolve/{COMMIT}/data.zip" for call in hub.seen) == 1


def test_tables_and_arrays_become_json_lines_and_several_files_one(hub: HubStandIn, tmp_path: Path) -> None:
    for name in ("openorca", "squad", "convfinqa", "dolly"):
        fetch(name, tmp_path / "source_data")  # the folder itself may be named
    data = tmp_path / "source_data"
    assert rows_of(data / "OpenOrca.jsonl") == [{"question": "é"}, {"question": "f"}]
    assert rows_of(data / "rajpurkar" / "squad.jsonl") == [{"question": "1"}, {"question": "2"}]
    assert rows_of(data / "ConvFinQA.jsonl") == [{"input": "x"}, {"input": "y"}]
    assert (data / "databricks-dolly-15k.jsonl").read_bytes() == ROWS
    assert len(json.loads((data / "SOURCES.json").read_text())["files"]) == 4


def test_pictures_come_through(hub: HubStandIn, tmp_path: Path) -> None:
    fetch("scienceqa", tmp_path)
    (row,) = rows_of(tmp_path / "source_data" / "ScienceQA" / "test.jsonl")
    assert image_of_cell(row["image"]) == image_of_cell(PNG)


def test_a_limit_of_rows_is_kept_and_noted(hub: HubStandIn, tmp_path: Path) -> None:
    for name in ("openorca", "dolly"):
        fetch(name, tmp_path, rows=1)
    data = tmp_path / "source_data"
    assert len(rows_of(data / "OpenOrca.jsonl")) == len(rows_of(data / "databricks-dolly-15k.jsonl")) == 1
    assert json.loads((data / "SOURCES.json").read_text())["files"]["OpenOrca.jsonl"]["rows"] == 1


def test_what_is_there_is_left_alone_until_the_hub_has_another_revision(hub: HubStandIn, tmp_path: Path) -> None:
    assert not fetch("dolly", tmp_path)[0].was_there
    assert fetch("dolly", tmp_path)[0].was_there
    (tmp_path / "source_data" / "databricks-dolly-15k.jsonl").write_text("damaged")
    assert not fetch("dolly", tmp_path)[0].was_there
    hub.commit = "f" * 40
    (again,) = fetch("dolly", tmp_path)
    assert (again.was_there, again.origin.revision) == (False, "f" * 40)


def test_the_users_own_file_is_not_replaced(hub: HubStandIn, tmp_path: Path) -> None:
    own = tmp_path / "source_data" / "databricks-dolly-15k.jsonl"
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(InputError, match=r"databricks-dolly-15k\.jsonl exists, and was not fetched: move it away"):
        fetch("dolly", tmp_path)
    assert own.read_text() == "mine"


def test_what_the_hub_does_not_have_is_one_line(hub: HubStandIn, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^mteb/banking77 has no data/train-\*\.parquet or .* files are README\.md$"):
        fetch("banking77", tmp_path)
    with pytest.raises(ModelFileError, match=r"^cannot download Marqo/marqo-GS-10M from http://127"):
        fetch("marqo", tmp_path)
    assert not (tmp_path / "source_data").exists()


def test_a_damaged_archive_is_one_line(hub: HubStandIn, tmp_path: Path) -> None:
    hub.datasets["THUDM/LongBench"]["data.zip"] = b"no archive"
    with pytest.raises(DataError, match=r"data\.zip cannot be unpacked: File is not a zip file; delete it to "):
        fetch("longbench", tmp_path)
    assert list((tmp_path / "source_data").iterdir()) == []


def test_a_missing_source_names_the_command_that_brings_it(hub: HubStandIn, tmp_path: Path) -> None:
    config = """
general: {name: x}
s3_read_data: {source_data_files: [2wikimqa_e.jsonl], s3_or_local_file_system: local}
datasets: {prompt_template_keys: [input], filters: [{payload_file: p.jsonl, max_length_in_tokens: 100}]}
experiments:
- {name: one, platform: endpoint, protocol: openai, ep_name: "http://x/v1/chat/completions", payload_files: [p.jsonl],
   concurrency_levels: [1], instance_type: m}
"""
    run = Run(parse_config(config, path=tmp_path / "config.yml"), Workspace(tmp_path / "run"), local_only=True)
    with pytest.raises(InputError) as error:
        sources(run)
    command = str(error.value).partition("this brings it: ")[2]
    assert command == f"fmbench fetch longbench --into {tmp_path}"
    fetch("longbench", tmp_path)
    (source,) = sources(run)
    assert [row["input"] for _, row in source.read()] == ["a", "c"]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    stand_in = StandIn()
    stand_in.start()
    for name, value in {
        "AWS_ENDPOINT_URL": stand_in.url,
        "AWS_ACCESS_KEY_ID": "AKIAFAKE",
        "AWS_SECRET_ACCESS_KEY": "fake",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="read-here")
    yield s3
    s3.close()
    stand_in.stop()


def test_into_a_bucket(hub: HubStandIn, bucket: Any) -> None:
    fetch("longbench", "s3://read-here")
    listed = {entry["Key"] for entry in bucket.list_objects_v2(Bucket="read-here")["Contents"]}
    names = (*SETS["longbench"].targets, "SOURCES.json")
    assert listed == {f"source_data/{name}" for name in names}
    assert bucket.get_object(Bucket="read-here", Key="source_data/triviaqa.jsonl")["Body"].read() == ROWS
    assert all(file.was_there for file in fetch("longbench", "s3://read-here/source_data"))
