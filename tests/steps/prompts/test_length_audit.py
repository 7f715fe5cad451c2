"""The report says where lengths were not those asked for, and nothing where they were."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib import steps
from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.prompts.length_audit import length_notices

CONFIG = {
    "general": {"name": "audit"},
    "data": {"synthetic": {"input_tokens": 40, "output_tokens": 10, "prompts": 4}},
    "load": {"requests": 3, "warmup_requests": 1},
    "experiments": [
        {
            "name": "one",
            "platform": "endpoint",
            "ep_name": "http://127.0.0.1:9/v1/chat/completions",
            "tokenizer": "words",
            "concurrency_levels": [1],
        }
    ],
}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "audit.yml").write_text(json.dumps(CONFIG))
    made = create_run(str(tmp_path / "audit.yml"), results=tmp_path / "results")
    steps.generate_data(made)
    return made


def table(run: Run, prompts: list[int], answers: list[int | None], source: str = "server") -> pd.DataFrame:
    ids = [row["prompt_id"] for row in read_rows(run.workspace.payload("payload_en_40-41.jsonl"))]
    return pd.DataFrame(
        {
            "experiment_name": "one",
            "payload_file": "payload_en_40-41.jsonl",
            "prompt_id": ids,
            "success": [True, True, True, False],
            "prompt_token_count": prompts,
            "completion_token_count": answers,
            "prompt_token_source": source,
            "completion_token_source": source,
        }
    )


def test_nothing_is_said_where_all_is_as_asked_for_or_failed(run: Run) -> None:
    assert list(length_notices(run, table(run, [40, 40, 40, 99], [10, 10, 10, None]))) == []


def test_prompts_and_answers_of_other_lengths_are_counted(run: Run) -> None:
    assert list(length_notices(run, table(run, [41, 38, 40, 99], [10, 4, 7, None]))) == [
        "one: payload_en_40-41.jsonl: the server counted 2 of 3 prompts otherwise than asked for, by -2 to +1 tokens",
        "one: payload_en_40-41.jsonl: 2 of 3 answers are not as long as asked for: 7.0 tokens on average, not 10.0",
    ]


def test_counts_that_are_not_the_servers_are_not_compared(run: Run) -> None:
    assert list(length_notices(run, table(run, [41, 38, 40, 99], [10, 4, 7, None], "words"))) == []
