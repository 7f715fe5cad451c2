"""What the index keeps of a run: its levels once, and nothing that the run does not know."""

from __future__ import annotations

from typing import Any

import pytest

from fmbench_lib.metrics.many_runs.indexed_run import IndexedExperiment, IndexedRun, RunDocuments, indexed_run

STATE = {"run_id": "20261129-223952Z", "name": "nightly", "created": "2026-11-29T22:39:52+00:00", "status": "finished"}


def level(load: str = "concurrency-4", **more: Any) -> dict[str, Any]:
    return {
        "experiment_name": "one", "payload_file": "a.jsonl", "instance_type": "g5.xlarge", "load": load,
        "concurrency": 4, "verdict": "valid", **more,
    }  # fmt: skip


def made(levels: list[dict[str, Any]], experiment: dict[str, Any] | None = None, **summary: Any) -> IndexedRun:
    config = {"experiments": [{"name": "one", **(experiment or {})}]}
    documents = RunDocuments(STATE, {"format": 1, "levels": levels, **summary}, config, named_by_ep_name=["bedrock"])
    return indexed_run(documents)


def test_what_is_missing_is_none_and_never_zero() -> None:
    (one,) = made([level(latency_p95=0.2, price_per_txn=None, accuracy=float("nan"))]).levels
    assert one.figures["latency_p95"] == 0.2
    assert one.figures["price_per_10k_txn"] is None
    assert one.figures["price_per_1m_tokens"] is None
    assert (one.quality_measure, one.figures["quality"]) == (None, None)
    assert (one.experiment.model, one.experiment.stack, one.prompts) == (None, None, None)


def test_tokens_are_priced_by_the_million_and_quality_keeps_its_interval() -> None:
    row = level(price_per_token=3e-6, accuracy=0.8, accuracy_low=0.7, accuracy_high=0.87, accuracy_n=60)
    (one,) = made([row]).levels
    assert one.figures["price_per_1m_tokens"] == pytest.approx(3.0)
    assert one.quality_measure == "accuracy"
    assert [one.figures[f"quality{end}"] for end in ("", "_low", "_high", "_n")] == [0.8, 0.7, 0.87, 60]


def test_a_level_is_there_once_over_its_repeats_and_with_its_last_attempt() -> None:
    rows = [
        level(latency_p95=1.0, attempt=1),
        level(latency_p95=2.0, attempt=2),
        level("concurrency-8", latency_p95=3.0),
        level("concurrency-8-repeat-2", latency_p95=5.0),
    ]
    pooled = [level("concurrency-8", latency_p95=4.0, repeats=2)]
    levels = made(rows, repeated_levels=pooled).levels
    assert [(one.load, one.figures["latency_p95"], one.repeats) for one in levels] == [
        ("concurrency-4", 2.0, 1),
        ("concurrency-8", 4.0, 2),
    ]


@pytest.mark.parametrize(
    ("experiment", "stack", "model"),
    [
        ({"platform": "ec2", "protocol": "openai", "inference_spec": {"container_type": "vllm"}}, "ec2 vllm", None),
        ({"platform": "endpoint", "protocol": "openai", "model_id": "org/m"}, "endpoint openai", "org/m"),
        ({"platform": "bedrock", "protocol": "converse", "ep_name": "a.b-1"}, "bedrock converse", "a.b-1"),
        ({"platform": "endpoint", "ep_name": "http://h:1/v1"}, "endpoint", None),
    ],
)
def test_model_and_stack_are_what_the_config_says(experiment: dict[str, Any], stack: str, model: str | None) -> None:
    run = made([level()], experiment)
    assert run.experiments == (IndexedExperiment("one", model, stack, None),)
    assert run.levels[0].experiment == IndexedExperiment("one", model, stack, "g5.xlarge")


def test_another_tool_is_the_stack_of_what_it_measured() -> None:
    (one,) = made([level(imported_from="vllm bench serve 0.9, results.json")], {"platform": "endpoint"}).levels
    assert one.experiment.stack == "imported: vllm bench serve 0.9"


def test_reasons_name_no_command_and_the_winner_is_marked() -> None:
    row = level(verdict_reasons="30 successes are few; measure it again: fmbench --resume RUN_DIR")
    run = made([row, level("concurrency-8")], decision={"winner": level(), "text": "one is the cheapest"})
    assert [(one.reasons, one.chosen) for one in run.levels] == [("30 successes are few", True), ("", False)]
    assert run.decision == "one is the cheapest"


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ({"format": 2, "levels": []}, "summary.json has format 2"),
        ({"levels": "none"}, "levels is not a list"),
        ({"levels": [3]}, "levels is not a list"),
    ],
)
def test_a_summary_that_no_run_has_is_refused(summary: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        indexed_run(RunDocuments(STATE, summary))


def test_figures_that_are_no_numbers_are_not_known() -> None:
    (one,) = made([level(latency_p95="fast", requests=[1], successes=True, error_rate={})]).levels
    assert [one.figures[name] for name in ("latency_p95", "requests", "successes", "error_rate")] == [None] * 4
