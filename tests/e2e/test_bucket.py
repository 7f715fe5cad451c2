"""Runs whose config, data and results live in a bucket: killed, gone on with elsewhere, and the bucket taken away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from itertools import zip_longest
from pathlib import Path

import pytest
import yaml

from fmbench_lib.cli.commands import main
from fmbench_lib.emulator import Behaviour, Constant, launch
from tests.bucket_stand_in import ACCESS_KEY, SECRET_KEY, StandIn, point_to, stand_in
from tests.e2e.conftest import ROWS
from tests.e2e.running import KERNEL, Running, kill, levels, wait_until

TOKEN = "hf_DistinctiveFakeTokenOfTheTests"
STEADY = Behaviour(ttft=Constant(0.08), itl=Constant(0.03), tokens=Constant(5))
RUNS, SOURCES = "my-runs", "my-sources"


@pytest.fixture(scope="module")
def moto() -> Iterator[StandIn]:
    with stand_in() as made:
        yield made


@pytest.fixture
def s3(moto: StandIn, aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    """S3 with a bucket of sources and an empty one for runs."""
    point_to(moto, monkeypatch, tmp_path)
    moto.reset()
    client = moto.client()
    for name in (RUNS, SOURCES):
        client.create_bucket(Bucket=name)
    rows = [{"input": f"What is {n}?", "context": f"It is number {n} of {ROWS}."} for n in range(ROWS)]
    files = {
        "source_data/rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "prompt_template/mine.txt": "Context: {context} Question: {input}",
        "my_tokenizer/tokenizer.json": _tokenizer(),
        "configs/my_prices.yml": "pricing: {instance_based: {test-machine: 3.6}}",
        "scripts/hf_token.txt": TOKEN,
    }
    for key, text in files.items():
        client.put_object(Bucket=SOURCES, Key=key, Body=text.encode())
    yield moto
    if not moto.running:
        moto.start()


def _tokenizer() -> str:
    """One that counts words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    engine = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    engine.pre_tokenizer = pre_tokenizers.Whitespace()
    text: str = engine.to_str()
    return text


def put_config(s3: StandIn, url: str) -> str:
    """A config in the bucket of sources, as FMBench 2.x's users have them there; its address."""
    config = {
        "general": {"name": "test"},
        "aws": {"bucket": "{write_bucket}", "s3_and_or_local_file_system": "s3"},
        "s3_read_data": {
            "read_bucket": SOURCES,
            "source_data_files": ["rows.jsonl"],
            "prompt_template_file": "mine.txt",
            "tokenizer_prefix": "my_tokenizer",
            "script_files": ["hf_token.txt"],
        },
        "datasets": {
            "prompt_template_keys": ["input", "context"],
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
        },
        "pricing": "my_prices.yml",
        "inference_parameters": {"max_tokens": 5},
        "load": {"requests": 6, "warmup_requests": 1, "timeout": 10, "prompt_reuse": "never"},
        "run_steps": {"2_deploy_model": False, "4_model_metric_analysis": False, "5_cleanup": False},
        "experiments": [
            {
                "name": "one",
                "platform": "endpoint",
                "ep_name": url,
                "model_id": "emulated",
                "instance_type": "test-machine",
                "payload_files": ["all.jsonl"],
                "concurrency_levels": [1, 2, 3],
            }
        ],
    }
    s3.client().put_object(Bucket=SOURCES, Key="configs/test.yml", Body=yaml.safe_dump(config).encode())
    return f"s3://{SOURCES}/configs/test.yml"


def here(run: Path) -> dict[str, bytes]:
    """Every file of a run, but for what a machine notes for itself."""
    paths = [path for path in run.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


def sendings_while_measuring(s3: StandIn, run: Path) -> list[str]:
    """What was put between the beginning of a level and its end, or since the beginning of one that was killed."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    times: dict[str, list[float]] = {"level started": [], "level measured": []}
    for one in events:
        times.get(one["event"], []).append(datetime.fromisoformat(one["time"]).timestamp())
    spans = list(zip_longest(times["level started"], times["level measured"], fillvalue=float("inf")))
    assert len(spans) == 2
    puts = [(time, call) for time, call in s3.seen if call.startswith(("PUT", "POST"))]
    assert any(time > spans[0][1] for time, _ in puts)
    return [call for time, call in puts if any(start < time < end for start, end in spans)]


@pytest.mark.thorough
def test_killed_resumed_from_the_bucket_which_is_taken_away_and_given_back(
    s3: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with launch(STEADY) as emulator:
        config = put_config(s3, emulator.url)
        running = Running(config, tmp_path / "first", "--write-bucket", RUNS)  # type: ignore[arg-type]
        wait_until(lambda: running.measuring(after_levels=1))
        prefix = f"results/test/{running.run.name}/"
        wait_until(lambda: any("concurrency-1.parquet" in name for name in s3.objects(RUNS, prefix)))
        kill(running, ("fmbench", KERNEL, "sending.worker"))
        assert sendings_while_measuring(s3, running.run) == []
        first = {name: content for name, content in s3.objects(RUNS, prefix).items() if name.endswith(".parquet")}
        assert list(first) == ["requests/one/all/concurrency-1.parquet"]
        assert "endpoints.json" in s3.objects(RUNS, prefix)
        shutil.rmtree(tmp_path / "first")  # that machine is gone, and all that it had fetched
        shutil.rmtree(tmp_path / "cache")

        results = str(tmp_path / "second")
        address = f"s3://{RUNS}/{prefix.strip('/')}"
        running = Running(Path(), tmp_path / "second", "--resume", address, "--results-dir", results)
        wait_until(lambda: running.measuring(after_levels=1))
        assert len(levels(running.run)) == 1
        s3.stop()
        code, out = running.end()
    assert code == 0, out
    assert out.count("the run's bucket lacks files") == 2, out  # when it began, and at the end
    assert f"fmbench sync {running.run}" in out
    assert set(levels(running.run)) == {"concurrency-1", "concurrency-2", "concurrency-3"}

    capsys.readouterr()
    assert main(["sync", str(running.run)]) == 1
    s3.start()
    assert len([name for name in s3.objects(RUNS, prefix) if name.endswith(".parquet")]) == 1
    assert main(["sync", str(running.run)]) == 0
    there = s3.objects(RUNS, prefix)
    assert there == here(running.run)
    assert {name: there[name] for name in first} == first  # what was finished was not measured again
    capsys.readouterr()
    assert main(["sync", str(running.run)]) == 0
    assert capsys.readouterr().out.startswith("0 files sent, 0 bytes")
    secrets = (TOKEN, ACCESS_KEY, SECRET_KEY)
    assert not [name for name, content in there.items() for secret in secrets if secret.encode() in content]
