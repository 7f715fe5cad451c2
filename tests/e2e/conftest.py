"""Whole runs by the command line, as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROWS = 60


@dataclass(frozen=True)
class Finished:
    """A command that has ended; `run` is the one run directory below its results, when there is one."""

    code: int
    out: str
    err: str
    results: Path

    @property
    def run(self) -> Path:
        (found,) = self.results.glob("*/*Z*")
        return found

    def read(self, name: str) -> Any:
        return json.loads((self.run / name).read_text())


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "fmbench_lib", *map(str, words)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONWARNINGS": "default"}


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    """A test that fails half-way leaves no run behind."""
    yield
    from tests.e2e.running import Running

    while Running.started:
        running = Running.started.pop()
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


@pytest.fixture
def fmbench(tmp_path: Path) -> Callable[..., Finished]:
    """Run `fmbench` with these words; results go below the test's folder."""

    def run(*words: str | Path, results: bool = True) -> Finished:
        extra = ["--results-dir", str(tmp_path / "results")] if results else []
        done = subprocess.run(
            command(*words, *extra), capture_output=True, text=True, timeout=240, cwd=tmp_path, env=environment()
        )
        return Finished(done.returncode, done.stdout, done.stderr, tmp_path / "results")

    return run


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """A short config for endpoints of known behaviour, over sources of its own; keyword sections replace its own."""
    source = tmp_path / "source.jsonl"
    rows = [{"input": f"What is item {n}?", "context": f"Item {n} is number {n} of {ROWS}."} for n in range(ROWS)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def write(experiments: list[Mapping[str, Any]], name: str = "test.yml", **sections: Any) -> Path:
        config = {
            "general": {"name": "test"},
            "s3_read_data": {"source_data_files": ["source.jsonl"]},
            "datasets": {
                "prompt_template_keys": ["input", "context"],
                "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
            },
            "pricing": {"test-machine": 3.6},
            "inference_parameters": {"max_tokens": 5},
            "load": {"requests": 8, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never"},
            "experiments": [
                {
                    "platform": "endpoint",
                    "model_id": "emulated",
                    "tokenizer": "words",
                    "instance_type": "test-machine",
                    "payload_files": ["all.jsonl"],
                    "concurrency_levels": [1, 2],
                    **experiment,
                }
                for experiment in experiments
            ],
            "report": {"latency_budget": 5, "cost_per_10k_txn_budget": 100},
            **sections,
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    return write
