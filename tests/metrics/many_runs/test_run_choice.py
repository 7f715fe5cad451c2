"""Which runs are meant."""

from __future__ import annotations

from typing import Any

import pytest

from fmbench_lib.metrics.many_runs.indexed_run import IndexedExperiment, IndexedLevel, IndexedRun
from fmbench_lib.metrics.many_runs.run_choice import RunChoice

LLAMA = IndexedExperiment("a", "org/Llama-8B", "ec2 vllm", "g5.xlarge")
QWEN = IndexedExperiment("b", "org/qwen", "ec2 sglang", "p4d.24xlarge")


def _level(experiment: IndexedExperiment, verdict: str) -> IndexedLevel:
    return IndexedLevel(
        experiment, "x.jsonl", None, "concurrency-1", 1.0, None, 1, verdict, "", None, False, False, None, {}
    )


RUN = IndexedRun(
    "nightly", "1", 1000.0, "finished", tags=("release", "gpu"), experiments=(LLAMA, QWEN),
    levels=(_level(LLAMA, "valid"), _level(QWEN, "invalid")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({}, True),
        ({"model": "llama"}, True),
        ({"model": "mistral"}, False),
        ({"instance": "g5*"}, True),
        ({"instance": "5*"}, False),
        ({"model": "llama", "stack": "sglang"}, False),
        ({"model": "qwen", "stack": "SGLANG"}, True),
        ({"verdict": "invalid"}, True),
        ({"verdict": "degraded"}, False),
        ({"verdict": "invalid", "model": "llama"}, False),
        ({"since": 1000.0}, True),
        ({"since": 1000.5}, False),
        ({"tags": ("gpu", "release")}, True),
        ({"tags": ("gpu", "scratch")}, False),
        ({"names": ("nightly/1",)}, True),
        ({"names": ("weekly",)}, False),
    ],
)
def test_a_run_is_meant_by_all_that_is_asked(asked: dict[str, Any], meant: bool) -> None:
    assert RunChoice(**asked).chooses(RUN) is meant
    assert RunChoice(**asked).asks_nothing is (not asked)


def test_what_is_not_known_is_not_meant() -> None:
    bare = IndexedRun("nightly", "2", None, "failed")
    assert RunChoice().chooses(bare)
    assert not RunChoice(since=0.0).chooses(bare)
    assert not RunChoice(model="llama").chooses(bare)
    unnamed = IndexedRun("nightly", "3", None, "failed", experiments=(IndexedExperiment("a"),))
    assert not RunChoice(model="*").chooses(unnamed)
