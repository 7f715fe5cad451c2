"""Where a run's files are read from: this machine, the read bucket, what ships, and in which order."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.config import load_config
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import write_json
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.prompts.prompt_template import template_path
from fmbench_lib.steps.run_inputs import inputs as files
from fmbench_lib.steps.run_inputs.inputs import (
    buckets,
    file_of,
    hf_token_of,
    outage_notices,
    price_file,
    read_bucket,
    sources,
    trace_of,
)
from fmbench_lib.steps.run_inputs.tokenizers_of_run import tokenizer_of
from fmbench_lib.steps.setup import script_files, set_up
from fmbench_lib.workspace import Workspace, create_workspace
from tests.bucket_stand_in import StandIn, point_to

SOURCES = "my-sources"
TOKEN = "hf_DistinctiveFakeTokenOfTheTests"


@pytest.fixture
def s3(moto: StandIn, aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    moto.reset()
    point_to(moto, monkeypatch, tmp_path)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    moto.client().create_bucket(Bucket=SOURCES)
    moto.seen.clear()
    files._default_bucket.cache_clear()
    yield moto
    if not moto.running:
        moto.start()


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run of a config with these keys in `s3_read_data`, its folder and a current one beside it."""
    folder, current = tmp_path / "folder", tmp_path / "current"
    folder.mkdir()
    current.mkdir()
    monkeypatch.chdir(current)
    workspace = create_workspace(tmp_path / "results", "test")
    write_json(workspace.run_file, {"steps": {}})

    def made(sections: dict[str, Any] | None = None, local_only: bool = False, **reading: Any) -> Run:
        config = {
            "general": {"name": "test"},
            "s3_read_data": {"read_bucket": SOURCES, **reading},
            "datasets": {"filters": [{"max_length_in_tokens": 500}], "prompt_template_keys": ["input", "context"]},
            "experiments": [
                {"platform": "endpoint", "ep_name": "http://127.0.0.1:9/v1", "model_id": "m", "concurrency_levels": [1]}
            ],
            **(sections or {}),
        }
        (folder / "test.yml").write_text(yaml.safe_dump(config))
        loaded = load_config(folder / "test.yml")
        return Run(loaded, Workspace(workspace.path), local_only=local_only)

    return made


def put(s3: StandIn, **files: str) -> None:
    for key, text in files.items():
        s3.client().put_object(Bucket=SOURCES, Key=key.replace("__", "/").replace("_dot_", "."), Body=text.encode())


@pytest.mark.parametrize(
    ("order", "own", "in_bucket", "expected"),
    [
        (None, True, True, "own"),
        (None, False, True, "bucket"),
        (None, False, False, "shipped"),
        ("both", True, True, "own"),
        ("s3", True, True, "bucket"),
        ("s3", True, False, "own"),
        ("s3", False, False, "shipped"),
        ("local", False, True, "shipped"),
        ("local", True, True, "own"),
    ],
)
def test_the_order_of_locations(
    s3: StandIn, make: Any, tmp_path: Path, order: str | None, own: bool, in_bucket: bool, expected: str
) -> None:
    run = make(**({} if order is None else {"s3_or_local_file_system": order}))
    if own:
        (tmp_path / "folder" / "prompt_template").mkdir()
        (tmp_path / "folder" / "prompt_template" / "prompt_template_qa.txt").write_text("own")
    if in_bucket:
        put(s3, prompt_template__prompt_template_qa_dot_txt="bucket")
    text = template_path(run).read_text()
    assert (text if text in ("own", "bucket") else "shipped") == expected
    if order == "local":
        assert not [call for call in s3.calls if call.startswith("HEAD")]


def test_a_file_is_fetched_once_per_run(s3: StandIn, make: Any) -> None:
    put(s3, source_data__rows_dot_jsonl='{"input": "x"}\n')
    run = make(source_data_files=["rows.jsonl"])
    (source,) = sources(run)
    assert [row for _, row in source.read()] == [{"input": "x"}]
    assert template_path(run).exists()  # not in the bucket: known from then on too
    s3.stop()
    again = Run(run.loaded, Workspace(run.workspace.path))
    assert sources(again)[0].origin == source.origin
    assert template_path(again).exists()
    assert "source_data/rows.jsonl" in run.workspace.events_file.read_text()
    assert sorted(path.name for path in run.workspace.complete_files()) == ["events.jsonl", "run.json"]


def test_everything_else_that_a_bucket_can_hold(s3: StandIn, make: Any, tmp_path: Path) -> None:
    put(
        s3,
        configs__prices_dot_yml="pricing: {instance_based: {m: 1.0}}",
        source_data__trace_dot_csv="time\n0.5\n1.0\n",
        scripts__mine_dot_py="def create_predictor(endpoint_name, inference_spec, metadata):\n    ...\n",
        scripts__hf_token_dot_txt=f"{TOKEN}\n",
    )
    run = make(
        {"pricing": "prices.yml", "load": {"arrival": "trace", "trace": f"s3://{SOURCES}/source_data/trace.csv"}},
        script_files=["hf_token.txt"],
    )
    assert price_file(run).endswith("configs/prices.yml")
    assert len(trace_of(run) or ()) == 2
    assert hf_token_of(run) == TOKEN
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    put(s3, scripts__hf_token_dot_txt="two words")
    with pytest.raises(InputError, match=r"my-sources/scripts/hf_token\.txt does not contain a Hugging Face token"):
        hf_token_of(run)
    mine = {"platform": "endpoint", "ep_name": "http://x/", "inference_script": "mine.py", "model_id": "m"}
    scripted = make({"experiments": [{**mine, "concurrency_levels": [1]}]}, script_files=["mine.py"])
    (experiment,) = scripted.config.experiments
    assert script_files(scripted, experiment)[0][1].endswith("scripts/mine.py")
    s3.stop()
    assert script_files(scripted, experiment)[0][1].endswith("scripts/mine.py")


def test_a_tokenizer_in_a_bucket(s3: StandIn, make: Any) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    engine = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    put(s3, llama3_tokenizer__tokenizer_dot_json=engine.to_str())
    run = make(tokenizer_prefix="llama3_tokenizer")
    found = tokenizer_of(run, run.config.experiments[0])
    assert (found.name, found.count("three words here")) == ("llama3_tokenizer", 3)
    named = run.config.experiments[0].model_copy(update={"tokenizer": f"s3://{SOURCES}/llama3_tokenizer"})
    assert tokenizer_of(run, named).name == f"s3://{SOURCES}/llama3_tokenizer"


def test_a_file_that_is_not_found_is_named_with_all_locations(s3: StandIn, make: Any) -> None:
    with pytest.raises(InputError, match=r"was not found in .*; it is not at s3://my-sources/source_data/no\.jsonl"):
        file_of(make(), "no.jsonl", "source file", "source_data")
    with pytest.raises(InputError, match=r"the trace s3://my-sources/no\.csv does not exist"):
        file_of(make(), f"s3://{SOURCES}/no.csv", "trace", "")
    s3.stop()
    with pytest.raises(InputError, match=r"the source file cannot be read: looking at s3://my-sources/.* reached"):
        file_of(make(), "other.jsonl", "source file", "source_data")


def test_local_mode_reads_no_bucket(s3: StandIn, make: Any) -> None:
    s3.stop()
    run = make(local_only=True, s3_or_local_file_system="s3")
    assert read_bucket(run) is None
    assert template_path(run).exists()
    with pytest.raises(InputError, match="with --local-mode yes no bucket is read"):
        file_of(run, f"s3://{SOURCES}/x.csv", "trace", "")


def test_the_default_bucket_is_read_only_where_the_config_says_so(s3: StandIn, make: Any) -> None:
    default = "sagemaker-fmbench-read-us-east-1-123456789012"
    assert read_bucket(make(read_bucket="{read_bucket}")) is None
    assert s3.calls == []
    with pytest.raises(InputError, match=f"the default one cannot be used: there is no bucket {default}"):
        read_bucket(make(read_bucket="{read_bucket}", s3_or_local_file_system="s3"))
    s3.client().create_bucket(Bucket=default)
    run = make(read_bucket="{read_bucket}", s3_or_local_file_system="s3")
    assert buckets(run) == {"read bucket": f"s3://{default}"}


def test_setup_looks_again_for_files_that_were_missing(s3: StandIn, make: Any) -> None:
    run = make(source_data_files=["rows.jsonl"], tokenizer_prefix="words")
    with pytest.raises(InputError, match=r"source_data/rows\.jsonl either"):
        set_up(run)
    put(s3, source_data__rows_dot_jsonl='{"input": "x"}\n')
    table = set_up(run)
    assert ("read bucket", f"s3://{SOURCES}") in list(table.itertuples(index=False, name=None))


def test_the_report_lists_outages_of_the_bucket(make: Any) -> None:
    run = make()
    assert outage_notices(run) == []
    outage = {"since": "2026-01-01T00:00:00+00:00", "said": "bucket my-runs: cannot be reached"}
    run.workspace.update_run(kept={"address": "s3://my-runs/results/test/x", "outages": [outage]})
    (notice,) = outage_notices(run)
    assert notice.startswith("at 2026-01-01T00:00:00+00:00 the run could not be sent to s3://my-runs/results/test/x: ")


def test_rows_of_the_hub_are_read_from_the_file_that_was_fetched(make: Any, tmp_path: Path) -> None:
    """Nothing is asked of the Hub, and no more rows are read than of the Hub."""
    sets = {"filters": [{"max_length_in_tokens": 500}], "prompt_template_keys": ["input"], "ds_N": 2}
    run = make({"datasets": sets}, local_only=True, source_data_files=["hf:THUDM/LongBench/triviaqa/test"])
    folder = tmp_path / "folder" / "source_data"
    folder.mkdir()
    (folder / "triviaqa.jsonl").write_text("".join(f'{{"input": "question {number}"}}\n' for number in range(5)))
    (source,) = sources(run)
    assert [row["input"] for _, row in source.read()] == ["question 0", "question 1"]


def test_rows_of_the_hub_that_cannot_be_read_name_the_command_that_brings_them(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    run = make(local_only=True, source_data_files=["hf:THUDM/LongBench/triviaqa/test"])
    (source,) = sources(run)
    with pytest.raises(
        InputError, match=rf"bring its rows as a file: fmbench fetch longbench --into {tmp_path}/folder"
    ):
        next(source.read())
