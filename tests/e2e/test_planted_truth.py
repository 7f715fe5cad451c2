"""A run of five experiments whose truth is planted: what the decision says, with whom it ties, whom it leaves out.

`cheap` and `equal` are the same endpoint as `dear`, for a tenth less; so `dear` costs 11% more than either.
`saturated` is offered twice what it can serve, and completes more per second than any other. `truncating` stops all of
its answers at a quarter of the tokens, and so completes four times as many. By price per transaction those two would
come first and second. Windows are too short for intervals, so that a tie is a difference of at most 5%, which is far
more than the machine's noise, and 11% is none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fmbench_lib import steps
from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.runs.opening import create_run
from fmbench_lib.steps.analysis import write_report

pytestmark = pytest.mark.thorough

TOKENS, TRUNCATED = 20, 5
SERVED = Behaviour(ttft=Constant(0.06), itl=Constant(0.01), tokens=Constant(TOKENS))
"""Answers take 250 ms, so that four at a time are 16/s; cut to five tokens they take 100 ms: 40/s."""
SLOTS, OFFERED = 2, 100.0
SLOW = Behaviour(slots=SLOTS, ttft=Constant(0.02), itl=Constant(0.001), tokens=Constant(TOKENS))
"""Two slots of 39 ms: 51/s."""
LIMITS = Budgets(latency_budget=60, cost_per_10k_txn_budget=100, error_rate_budget=0)


class Planted:
    """The run's summary.json, the rows of its levels, and why its answers ended."""

    def __init__(self, run: Path) -> None:
        document = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        self.decision: dict[str, Any] = document["decision"]
        self.text: str = self.decision["text"]
        self._rows: dict[str, dict[str, Any]] = {row["experiment_name"]: row for row in document["levels"]}
        self._requests = run / "requests"

    def of(self, experiment: str, column: str) -> Any:
        """A figure of the experiment's level."""
        return self._rows[experiment][column]

    def reasons(self, experiment: str) -> set[str]:
        """Why its answers ended."""
        (file,) = (self._requests / experiment).rglob("*.parquet")
        return set(pq.read_table(file, columns=["finish_reason"]).column(0).to_pylist())

    def without(self, *experiments: str) -> str:
        """The decision's sentence on the other experiments."""
        rows = [row for name, row in self._rows.items() if name not in experiments]
        return decide(pd.DataFrame(rows), LIMITS).text


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder = tmp_path_factory.mktemp("planted")
    with launch(SERVED) as served, launch(SLOW) as slow:
        config = _config(folder, served.url, slow.url)
        run = create_run(config, results=folder / "results")
        for step in (steps.set_up, steps.generate_data, steps.deploy_models, steps.run_inference):
            step(run)
    write_report(run)
    return Planted(run.workspace.path)


def _config(folder: Path, served: str, slow: str) -> Path:
    rows = [{"input": f"What is item {n}?", "context": f"Item {n} is one of 60."} for n in range(60)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    common = {"platform": "endpoint", "model_id": "emulated", "tokenizer": "words", "payload_files": ["all.jsonl"]}
    closed = {"ep_name": served, "concurrency_levels": [4]}
    cut = {"inference_spec": {"parameters": {"max_tokens": TRUNCATED}}}
    experiments = [
        {"name": "dear", "instance_type": "large", **closed},
        {"name": "cheap", "instance_type": "small", **closed},
        {"name": "equal", "instance_type": "small", **closed},
        {"name": "saturated", "instance_type": "small", "ep_name": slow, "request_rates": [OFFERED]},
        {"name": "truncating", "instance_type": "small", **closed, **cut},
    ]
    config = {
        "general": {"name": "planted"},
        "s3_read_data": {"source_data_files": ["source.jsonl"]},
        "datasets": {
            "prompt_template_keys": ["input", "context"],
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
        },
        "pricing": {"large": 4.0, "small": 3.6},
        "inference_parameters": {"max_tokens": 2 * TOKENS},
        "load": {"duration": 2, "warmup_requests": 8, "timeout": 20, "prompt_reuse": "allowed", "arrival": "constant"},
        "experiments": [{**common, **experiment} for experiment in experiments],
        "report": {"latency_budget": 60, "cost_per_10k_txn_budget": 100},
    }
    path = folder / "planted.yml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    return path


def test_equal_endpoints_tie_and_both_are_named(planted: Planted) -> None:
    names = {
        planted.decision["winner"]["experiment_name"],
        *(row["experiment_name"] for row in planted.decision["tied"]),
    }
    assert names == {"cheap", "equal"}
    assert re.search(r"(cheap|equal) on small at concurrency 4 and (cheap|equal) on small .* tie as", planted.text)
    assert "are within 5% of each other" in planted.text


def test_unequal_work_is_said_first_and_compared_per_output_token(planted: Planted) -> None:
    assert planted.of("truncating", "completion_token_count_mean") == TRUNCATED
    assert planted.reasons("truncating") == {"length"}
    assert planted.reasons("cheap") == {"stop"}
    assert planted.decision["ranked_by"] == "price_per_output_token"
    said = rf"Unequal work: (cheap|equal) answers with {TOKENS} output tokens on average, truncating with {TRUNCATED}, "
    assert re.match(said, planted.text)
    assert "by transactions alone truncating on small at concurrency 4 would be the cheapest" in planted.text


def test_a_saturated_level_is_left_out_and_named_with_the_reason(planted: Planted) -> None:
    assert planted.of("saturated", "sustainable") == "no"
    prices = {name: planted.of(name, "price_per_txn") for name in ("dear", "cheap", "equal", "truncating")}
    assert planted.of("saturated", "price_per_txn") < min(prices.values())
    assert planted.of("saturated", "latency_p95_low") is None  # of a queue
    assert planted.decision["levels_passed"] == 4
    assert "saturated on small at 100 requests/s would have been the cheapest" in planted.text
    assert "but its queue grew" in planted.text


def test_a_tenth_is_no_tie(planted: Planted) -> None:
    """Of `cheap` and `dear` alone, and beside the saturated one."""
    for others in (("equal", "truncating", "saturated"), ("equal", "truncating")):
        text = planted.without(*others)
        assert text.startswith("cheap on small at concurrency 4 is the cheapest of 2 levels")
        (more,) = re.findall(r"next comes dear on large at concurrency 4 with .* \((\d+)% more\)", text)
        assert 8 <= int(more) <= 14
        assert "tie" not in text
        assert "Unequal work" not in text


def test_figures_are_those_that_were_planted(planted: Planted) -> None:
    for name, seconds in (("dear", 0.25), ("cheap", 0.25), ("equal", 0.25), ("truncating", 0.1)):
        assert planted.of(name, "latency_p50") == pytest.approx(1.1 * seconds, rel=0.2)
        hourly = 4.0 if name == "dear" else 3.6
        per_second = planted.of(name, "transactions_per_second")
        assert per_second == pytest.approx(4 / planted.of(name, "latency_mean"), rel=0.1)
        assert planted.of(name, "price_per_txn") == pytest.approx(hourly / 3600 / per_second)
