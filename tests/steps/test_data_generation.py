"""Which prompts a run may send, by the payload files that its config makes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib import steps
from fmbench_lib.errors import InputError
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run

CONFIG = """
general: {{name: overlap}}
s3_read_data: {{source_data_files: [source.jsonl]}}
datasets:
  prompt_template_keys: [input]
  filters:
  - {{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: wide.jsonl}}
  - {{min_length_in_tokens: 1, max_length_in_tokens: 400, payload_file: narrow.jsonl}}
load: {{requests: 4, warmup_requests: 1, prompt_reuse: {reuse}}}
experiments:
- {{name: a, platform: endpoint, ep_name: "http://127.0.0.1:9/v1/chat/completions", tokenizer: words,
   payload_files: [{files}], concurrency_levels: [1]}}
"""


def run(folder: Path, reuse: str, files: str) -> Run:
    rows = [{"input": f"What is item {n}?"} for n in range(30)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "config.yml").write_text(CONFIG.format(reuse=reuse, files=files))
    return create_run(str(folder / "config.yml"), results=folder / "results")


def test_reuse_never_forbids_a_prompt_in_two_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"wide.jsonl and narrow.jsonl have 30 prompts in common.*do not overlap"):
        steps.generate_data(run(tmp_path, "never", "wide.jsonl, narrow.jsonl"))


@pytest.mark.parametrize(("reuse", "files"), [("never", "wide.jsonl"), ("across_levels", "wide.jsonl, narrow.jsonl")])
def test_files_may_overlap_where_one_is_sent_or_reuse_is_allowed(tmp_path: Path, reuse: str, files: str) -> None:
    assert list(steps.generate_data(run(tmp_path, reuse, files))["prompts"]) == [30, 30]


def test_all_prompts_stand_in_one_table(tmp_path: Path) -> None:
    opened = run(tmp_path, "across_levels", "wide.jsonl, narrow.jsonl")
    steps.generate_data(opened)
    table = pd.read_csv(opened.workspace.all_prompts)
    assert list(table.columns[:2]) == ["prompt", "prompt_len"]
    assert table["payload_file"].value_counts().to_dict() == {"wide.jsonl": 30, "narrow.jsonl": 30}
    assert table["prompt"].str.contains("What is item 7").sum() == 2
    rows = [json.loads(line) for line in opened.workspace.payload("wide.jsonl").read_text().splitlines()]
    assert list(table["prompt_len"][:30]) == [row["prompt_tokens"] for row in rows]


def test_a_run_that_makes_no_prompts_has_those_of_an_earlier_one_after_setup(tmp_path: Path) -> None:
    earlier = run(tmp_path, "across_levels", "wide.jsonl")
    steps.generate_data(earlier)
    (tmp_path / "source.jsonl").unlink()
    config = tmp_path / "config.yml"
    config.write_text(config.read_text() + "run_steps: {1_generate_data: no}\n")
    later = create_run(str(config), results=tmp_path / "results")
    steps.set_up(later)
    payload = later.workspace.payload("wide.jsonl").read_bytes()
    assert payload == earlier.workspace.payload("wide.jsonl").read_bytes()
    assert payload


def test_a_run_that_makes_no_prompts_needs_an_earlier_one(tmp_path: Path) -> None:
    run(tmp_path, "across_levels", "wide.jsonl")
    config = tmp_path / "config.yml"
    config.write_text(config.read_text() + "run_steps: {1_generate_data: no}\n")
    with pytest.raises(InputError, match="no earlier run of overlap has prompts of the same datasets section"):
        steps.set_up(create_run(str(config), results=tmp_path / "results"))
