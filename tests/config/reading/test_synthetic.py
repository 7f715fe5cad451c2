"""`datasets.synthetic`: the payload files that it makes, and what cannot stand beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.config import Config, ConfigError, parse_config

CONFIG = """
general: {name: made}
data: {%s}
load: {requests: 3}
experiments:
- {name: x, platform: endpoint, ep_name: "http://127.0.0.1:9/v1/chat/completions", concurrency_levels: [1]}
"""


def config(data: str) -> Config:
    return parse_config(CONFIG % data, path=Path("made.yml")).config


def test_each_entry_makes_a_payload_file_named_by_its_lengths() -> None:
    made = config("synthetic: [{input_tokens: 1000}, {input_tokens: {min: 3, max: 9}}, {input_tokens: [128, 4000]}]")
    files = ["payload_en_1000-1001.jsonl", "payload_en_3-10.jsonl", "payload_en_128-4001.jsonl"]
    assert [entry.payload_file for entry in made.datasets.synthetic] == files
    assert [entry.payload_file for entry in made.datasets.filters] == files
    assert made.experiments[0].payload_files == files
    assert made.s3_read_data.source_data_files == ["synthetic:0", "synthetic:1", "synthetic:2"]


def test_one_entry_needs_no_list_and_may_name_its_file() -> None:
    made = config("synthetic: {input_tokens: 1000, output_tokens: 200, payload_file: mine.jsonl}")
    assert made.experiments[0].payload_files == ["mine.jsonl"]
    assert made.datasets.synthetic[0].output_tokens == 200


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("synthetic: {input_token: 3}", r"synthetic.input_token: unknown key; did you mean input_tokens\?"),
        ("synthetic: {output_tokens: 3}", r"synthetic\[0\].input_tokens: is missing"),
        ("synthetic: 7", "datasets.synthetic: is 7; write a list"),
        ("synthetic: {input_tokens: {min: 9, max: 3}}", r"\[0\].input_tokens: has min 9 above max 3"),
        ("synthetic: {input_tokens: 9, output_tokens: 0}", r"\[0\].output_tokens: is 0; write a number"),
        ("synthetic: [{input_tokens: 9}, {input_tokens: 9}]", r"\[1\].payload_file: payload_en_9-10.jsonl is made by"),
        ("synthetic: {input_tokens: trace}", "input_tokens: is trace; write load.trace"),
        ("synthetic: {input_tokens: 9}, sources: [a.csv]", "datasets.sources: is given beside datasets.synthetic"),
        ("synthetic: {input_tokens: 9}, prompt_template: 'a {b}'", "a template would change their length"),
        ("synthetic: {input_tokens: 9}, filters: [{max_length_in_tokens: 7}]", "named by its payload_file"),
    ],
)
def test_a_mistake_is_one_clear_line(data: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config(data)
    assert len(str(caught.value).splitlines()) <= 2
