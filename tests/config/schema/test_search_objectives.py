"""The keys of a search."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.config import ConfigError, load_config

CONFIG = """
general: {name: test}
datasets: {filters: [{max_length_in_tokens: 500, payload_file: p.jsonl}]}
experiments:
- {name: one, platform: endpoint, ep_name: "http://a/v1/chat/completions", tokenizer: words}
load: {%s}
"""


def written(tmp_path: Path, load: str) -> Path:
    path = tmp_path / "c.yml"
    path.write_text(CONFIG % load)
    return path


def test_a_search_needs_no_levels(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, "find: max_request_rate, subject_to: {TTFT_p95: 0.5, error_rate: 0}")).config
    load = config.load
    assert (load.find, load.subject_to) == ("max_request_rate", {"TTFT_p95": 0.5, "error_rate": 0.0})
    assert (load.find_levels, load.find_start, load.find_most) == (12, 1.0, None)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        ("find: max_concurrency", r"load.subject_to.*is missing or empty"),
        ("find: max_rate, subject_to: {TTFT_p95: 1}", r"load.find.*max_concurrency or max_request_rate"),
        ("find: max_concurrency, subject_to: {TTFT_p59: 1}", r"load.subject_to.*did you mean TTFT_p5"),
        ("find: max_concurrency, subject_to: {TTFT_p95: 500ms}", r"load.subject_to.*limit as a number"),
        ("find: max_concurrency, subject_to: {TTFT_p95: 0}", r"load.subject_to.*a limit above 0"),
        ("find: max_concurrency, subject_to: {TTFT_p95: 1}, find_start: 2.5", r"load.find_start.*whole number"),
        ("find: max_request_rate, subject_to: {TTFT_p95: 1}, find_start: 9, find_most: 4", r"load.find_most.*below"),
    ],
)
def test_a_contradiction_is_one_line(tmp_path: Path, load: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(written(tmp_path, load))


def test_objectives_without_a_search_are_reported(tmp_path: Path) -> None:
    path = written(tmp_path, "subject_to: {TTFT_p95: 1}")
    path.write_text(path.read_text().replace("tokenizer: words", "tokenizer: words, concurrency_levels: [1]"))
    assert "load.subject_to" in [notice.key for notice in load_config(path).notices]
