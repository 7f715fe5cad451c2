"""Deployments that break down in ways nobody thought of cost themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.runs.opening import create_run
from fmbench_lib.steps.data_generation import generate_data
from fmbench_lib.steps.deployment import deploy_models
from fmbench_lib.steps.inference import run_inference

CONFIG = """
general: {name: two}
s3_read_data: {source_data_files: [source.jsonl], prompt_template_file: template.txt}
datasets: {filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]}
load: {requests: 1, warmup_requests: 0, prompt_reuse: allowed}
experiments:
- {name: bad, platform: endpoint, ep_name: "http://bad/v1", tokenizer: words, concurrency_levels: [1]}
- {name: good, platform: endpoint, ep_name: "http://good/v1", tokenizer: words, concurrency_levels: [1, 2]}
"""


@pytest.fixture
def run(tmp_path: Path) -> Any:
    (tmp_path / "two.yml").write_text(CONFIG)
    (tmp_path / "template.txt").write_text("Say {input}")
    (tmp_path / "source.jsonl").write_text('{"input": "one"}\n{"input": "two"}\n')
    run = create_run(tmp_path / "two.yml", results=tmp_path / "results")
    generate_data(run)
    return run


@pytest.mark.parametrize("error", [OverflowError("too large"), MemoryError(), RecursionError("deep"), KeyError("x")])
def test_whatever_a_probe_raises_costs_its_experiment(
    run: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def probe(predictor: Any, _bundle: str | None, _timeout: float) -> None:
        if "bad" in predictor.encode("hi").url:
            raise error

    monkeypatch.setattr("fmbench_lib.steps.endpoints.deployment_context.probe", probe)
    deploy_models(run)
    known = endpoints(run.workspace)
    assert known["good"].status == "in_service"
    assert known["bad"].status == "failed"
    assert str(known["bad"].error).startswith(type(error).__name__)


@pytest.mark.parametrize(("timeout", "patience"), [(5, 60.0), (600, 600.0)])
def test_the_first_answer_may_take_as_long_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: int, patience: float
) -> None:
    (tmp_path / "two.yml").write_text(CONFIG.replace("requests: 1,", f"requests: 1, timeout: {timeout},"))
    given: list[float] = []
    probe = "fmbench_lib.steps.endpoints.deployment_context.probe"
    monkeypatch.setattr(probe, lambda *arguments: given.append(arguments[-1]))
    deploy_models(create_run(tmp_path / "two.yml", results=tmp_path / "results"))
    assert given == [patience, patience]


def test_whatever_a_level_raises_costs_that_level(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(spec: Any, *_: Any) -> Any:
        if spec.load == "concurrency-1":
            raise OverflowError("too large")
        return {"stop_reason": "requests", "attempt": 1}

    monkeypatch.setattr("fmbench_lib.steps.endpoints.deployment_context.probe", lambda *_: None)
    monkeypatch.setattr("fmbench_lib.steps.inference.measure_level", measure)
    monkeypatch.setattr("fmbench_lib.deploy.existing.platform.why_unreachable", lambda _: "")
    deploy_models(run)
    run_inference(run)
    failures = run.workspace.failed_levels()
    assert {(one["experiment_name"], one["load"]) for one in failures} == {
        ("bad", "concurrency-1"),
        ("good", "concurrency-1"),
    }
    assert all(one["error"].startswith("OverflowError: too large") for one in failures)
