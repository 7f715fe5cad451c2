"""The config of a run that was started with an address: it is valid, and says what was asked for."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.config import load_config, parse_config
from fmbench_lib.errors import InputError
from fmbench_lib.runs import url_config
from fmbench_lib.runs.server_at_url import Server
from fmbench_lib.runs.url_config import UrlRequest, config_of, write_config

SERVER = Server("http://127.0.0.1:8000/v1/chat/completions", "openai", "org/small")


def test_loads_prompts_and_server_are_those_asked_for(tmp_path: Path) -> None:
    data = tmp_path / "prompts.csv"
    data.write_text("prompt\nWhy?\n")
    request = UrlRequest("http://127.0.0.1:8000/v1", data=str(data), rates=(2.0, 8.5), requests=20, api_key_env="KEY")
    config = parse_config(yaml.safe_dump(config_of(request, SERVER)), path=tmp_path / "benchmark.yml").config
    (experiment,) = config.experiments
    assert (experiment.name, experiment.model_id, experiment.ep_name) == ("small", "org/small", SERVER.address)
    assert (experiment.request_rates, experiment.concurrency_levels) == ([2.0, 8.5], [])
    assert (config.load.requests, experiment.api_key_env) == (20, "KEY")
    assert config.s3_read_data.source_data_files == [str(data)]
    assert config.general.name == "small at 127.0.0.1-8000"


def test_the_file_can_be_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(url_config, "server_at", lambda url, model, key: SERVER)
    path = write_config(UrlRequest("http://127.0.0.1:8000"), tmp_path)
    assert path == tmp_path / "small at 127.0.0.1-8000" / "benchmark.yml"
    loaded = load_config(path)
    assert shlex.split(path.read_text().splitlines()[0])[-2:] == ["fmbench", str(path)]
    assert (loaded.config.experiments[0].concurrency_levels, loaded.notices) == ([1, 4], ())
    assert path.read_text().startswith(f"# org/small at {SERVER.address}. Change it, and run it with: fmbench ")


def test_prompts_of_a_length_are_made_and_sent_once(tmp_path: Path) -> None:
    request = UrlRequest("http://127.0.0.1:8000/v1", input_tokens=1000, output_tokens=200, seed=7)
    config = parse_config(yaml.safe_dump(config_of(request, SERVER)), path=tmp_path / "benchmark.yml").config
    (made,) = config.datasets.synthetic
    assert (made.input_tokens, made.output_tokens) == (1000, 200)
    assert (config.load.prompt_reuse, config.general.seed) == ("never", 7)
    assert config.experiments[0].payload_files == ["payload_en_1000-1001.jsonl"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_tokens": 200}, "--output-tokens is for prompts that are made: give --input-tokens too"),
        ({"input_tokens": 9, "data": "a.csv"}, "--input-tokens makes prompts and --data reads them"),
    ],
)
def test_lengths_go_with_prompts_that_are_made(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_config(UrlRequest("http://127.0.0.1:9", **options), tmp_path)


def test_data_that_is_missing_is_said_before_the_server_is_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--data none\.csv: no such file"):
        write_config(UrlRequest("http://127.0.0.1:9", data="none.csv"), tmp_path)
