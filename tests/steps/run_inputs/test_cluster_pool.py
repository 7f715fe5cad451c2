"""Which pool a run's long work has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib.host.task_pool import ThisProcess
from fmbench_lib.load.cluster import ray_nodes
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.cluster_pool import task_pool


def new_run(folder: Path, load: dict[str, Any]) -> Run:
    experiment = {
        "name": "e", "platform": "endpoint", "ep_name": "http://10.0.0.9:9/v1/chat/completions", "model_id": "m",
        "tokenizer": "words", "concurrency_levels": [1],
    }  # fmt: skip
    content = {
        "general": {"name": "pooled"},
        "datasets": {"filters": [{"max_length_in_tokens": 500, "payload_file": "all.jsonl"}]},
        "experiments": [experiment],
        "load": load,
    }
    (folder / "config.yml").write_text(yaml.safe_dump(content))
    return create_run(folder / "config.yml", results=folder / "results")


def test_without_a_cluster_in_the_config_it_is_this_process(tmp_path: Path) -> None:
    with task_pool(new_run(tmp_path, {"duration": 1})) as pool:
        assert isinstance(pool, ThisProcess)
        assert not pool.has_others()


def test_a_cluster_that_is_gone_costs_nothing_but_a_line(tmp_path: Path, monkeypatch: Any) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(ray_nodes, "import_module", missing)
    run = new_run(tmp_path, {"duration": 1, "executor": "ray"})
    with task_pool(run, long_s=0) as pool:
        assert list(pool.map(abs, [-1, -2])) == [1, 2]
        assert not pool.has_others()
    events = map(json.loads, run.workspace.events_file.read_text().splitlines())
    [event] = [event for event in events if event["event"] == "cluster"]
    assert event["line"] == (
        "the cluster is not used, all is computed here: load.executor: ray needs Ray: pip install 'fmbench-lib[ray]'"
    )
