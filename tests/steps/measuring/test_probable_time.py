"""The probable time of a plan: hand-computed from an assumption, and from an earlier run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fmbench_lib.config import StopRule
from fmbench_lib.steps.measuring.probable_time import probable_time
from fmbench_lib.workspace import create_workspace


def level(concurrency: int | None = None, rate: float | None = None, payload_file: str = "a.jsonl", **stop: Any) -> Any:
    return SimpleNamespace(
        payload_file=payload_file,
        base_load=f"concurrency-{concurrency}" if concurrency else f"rate-{rate}",
        concurrency=concurrency,
        request_rate=rate,
        warmup=4,
        stop=StopRule(**stop),
    )


def test_without_an_earlier_run_it_is_an_assumption(tmp_path: Path) -> None:
    levels = [level(2, requests=20, duration=None), level(rate=4.0, requests=16, duration=None)]
    probable = probable_time(tmp_path, "test", "one", levels, {"a.jsonl": 100}, 1000.0)
    # 0.5 s + 100 × 20 ms = 2.5 s a request: 24 requests in 12 waves, and 20 requests at 4/s with the last one's time
    assert probable.seconds == 12 * 2.5 + 5 + 2.5
    assert str(probable) == "probably about 38 s (assuming 2.5 s a request: 100 tokens at 20 ms each)"
    assert probable_time(tmp_path, "test", "one", levels, {"a.jsonl": 100}, 10.0).seconds == 10.0, (
        "never more than the most"
    )


def test_each_payload_file_has_answers_of_its_own_length(tmp_path: Path) -> None:
    levels = [level(1, payload_file=name, requests=6, duration=None) for name in ("a.jsonl", "b.jsonl")]
    probable = probable_time(tmp_path, "test", "one", levels, {"a.jsonl": 25.0, "b.jsonl": 200.0}, 1000.0)
    assert probable.seconds == 10 * (0.5 + 0.5) + 10 * (0.5 + 4.0)
    assert probable.basis == "assuming 1 to 4.5 s a request: 25 to 200 tokens at 20 ms each"


def test_an_earlier_run_of_the_experiment_gives_its_latencies(tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path, "test")
    workspace.run_file.write_text("{}")
    row = {"experiment_name": "one", "payload_file": "a.jsonl", "concurrency": 2, "latency_mean": 0.25}
    workspace.summary_file.write_text(json.dumps({"levels": [row]}))
    levels = [level(2, requests=20, duration=None), level(4, requests=None, duration=30.0)]
    probable = probable_time(tmp_path, "test", "one", levels, {"a.jsonl": None}, 1000.0)
    assert probable.seconds == 12 * 0.25 + (0.25 + 30.0 + 0.25)
    assert probable.basis == f"as in run {workspace.run_id}"
    assert "assuming" in probable_time(tmp_path, "test", "other", levels, {"a.jsonl": None}, 1000.0).basis
