"""Which earlier run's prompts are those that a config wants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib import steps
from fmbench_lib.errors import RunStateError
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.payloads import earlier_prompts

CONFIG = """
general: {name: again}
s3_read_data: {source_data_files: [source.jsonl]}
datasets:
  prompt_template_keys: [input]
  min_iters_per_combination: 5
  filters: [{language: en, min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
load: {requests: 4, warmup_requests: 1}
experiments:
- {name: a, platform: endpoint, ep_name: "http://127.0.0.1:9/v1/chat/completions", tokenizer: words,
   concurrency_levels: [1]}
"""


def opened(folder: Path, config: str = CONFIG) -> Run:
    (folder / "source.jsonl").write_text("".join(json.dumps({"input": f"What is item {n}?"}) + "\n" for n in range(9)))
    (folder / "config.yml").write_text(config)
    return create_run(str(folder / "config.yml"), results=folder / "results")


def made(folder: Path) -> Run:
    run = opened(folder)
    steps.generate_data(run)
    return run


def change_section(run: Run, section: dict[str, Any]) -> None:
    """Replace the `datasets` section that the run's index of payload files has."""
    content = json.loads(run.workspace.payload_index.read_text())
    run.workspace.payload_index.write_text(json.dumps(content | {"datasets": section}))


def section_of(run: Run) -> dict[str, Any]:
    section: dict[str, Any] = json.loads(run.workspace.payload_index.read_text())["datasets"]
    return section


def test_prompts_of_a_version_that_knew_fewer_keys_are_the_same(tmp_path: Path) -> None:
    earlier = made(tmp_path)
    section = section_of(earlier)
    for key in ("synthetic", "prompt_template", "relevance_col_key"):
        del section[key]
    del section["filters"][0]["texts_per_request"]
    change_section(earlier, section)
    assert earlier_prompts(opened(tmp_path)).path == earlier.workspace.path


def test_the_length_of_levels_changes_no_prompts(tmp_path: Path) -> None:
    earlier = made(tmp_path)
    later = opened(tmp_path, CONFIG.replace("min_iters_per_combination: 5", "max_iters_per_combination: 70"))
    assert earlier_prompts(later).path == earlier.workspace.path


@pytest.mark.parametrize(
    "change",
    [
        ("max_length_in_tokens: 500", "max_length_in_tokens: 400"),
        ("prompt_template_keys", "question_col_key: input\n  prompt_template_keys"),
        ("language: en", "language: de"),
        ("payload_file: all.jsonl", "payload_file: all.jsonl, texts_per_request: 2"),
    ],
)
def test_prompts_of_another_section_are_not_taken(tmp_path: Path, change: tuple[str, str]) -> None:
    made(tmp_path)
    with pytest.raises(RunStateError, match="no earlier run of again has prompts of the same datasets section"):
        earlier_prompts(opened(tmp_path, CONFIG.replace(*change)))


def test_a_section_that_this_version_cannot_read_is_compared_as_it_is(tmp_path: Path) -> None:
    earlier = made(tmp_path)
    change_section(earlier, section_of(earlier) | {"filters": "all of them"})
    with pytest.raises(RunStateError, match="no earlier run"):
        earlier_prompts(opened(tmp_path))
