"""Two emulated endpoints, one cheap and slow, the other dear and quick: each kind of budget is made to bind once.

Without a budget that binds the cheap one wins. A limit half way between the figures of both leaves the quick one alone,
and the report says of which budget the cheap one misses. Costs bind by leaving nobody.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib import steps
from fmbench_lib.config.budget_measures import MEASURES, BudgetMeasure
from fmbench_lib.config.schema.energy_section import EnergySection
from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.metrics.decision.budgets import is_quality
from fmbench_lib.metrics.decision.decision import Decision, decide
from fmbench_lib.metrics.decision.wording import limit_text
from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.report.sections.overview import budgets_of as budgets_shown
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.reporting.report_inputs import Analysis, analysis_of, budgets_of, report_inputs

pytestmark = pytest.mark.thorough

CHEAP = Behaviour(ttft=Constant(0.12), itl=Constant(0.012), tokens=Constant(16))
QUICK = Behaviour(ttft=Constant(0.04), itl=Constant(0.004), tokens=Constant(16))
"""Answers take 300 ms and 100 ms; at 1 and 6 USD an hour the quick one costs twice as much."""
WATTS = 36.0
COSTS = [measure for measure in MEASURES if measure.unit == "USD"]
OTHERS = [measure for measure in MEASURES if measure.unit != "USD" and not is_quality(measure.column)]


@dataclass(frozen=True)
class Measured:
    """The run, what was computed of it, and the level of each endpoint."""

    run: Run
    analysis: Analysis
    cheap: Row
    quick: Row

    def decided(self, budgets: dict[str, float]) -> Decision:
        """The decision under these budgets, beside one that lets the errors of the cheap endpoint pass."""
        report = self.run.config.report.model_copy(update={"budgets": {"error_rate": 0.9, **budgets}})
        config = self.run.config.model_copy(update={"report": report})
        return decide(self.analysis.rated, budgets_of(config))


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("budgets")
    with launch(CHEAP, arguments=["--fault=server_error:every=7"]) as cheap, launch(QUICK) as quick:
        run = create_run(_config(folder, cheap.url, quick.url), results=folder / "results")
        for step in (steps.set_up, steps.generate_data, steps.deploy_models, steps.run_inference):
            step(run)
    for experiment in ("cheap", "quick"):
        _meter(run, experiment)
    analysis = analysis_of(run)
    rows = {str(row["experiment_name"]): row for row in rows_of(analysis.rated)}
    return Measured(run, analysis, rows["cheap"], rows["quick"])


def _config(folder: Path, cheap: str, quick: str) -> Path:
    rows = [{"input": f"What is item {n}?", "context": f"Item {n} is one of 60."} for n in range(60)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    common = {"platform": "endpoint", "model_id": "emulated", "tokenizer": "words", "concurrency_levels": [4]}
    config = {
        "general": {"name": "budgets"},
        "s3_read_data": {"source_data_files": ["source.jsonl"]},
        "datasets": {
            "prompt_template_keys": ["input", "context"],
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
        },
        "pricing": {"small": 1.0, "large": {"hourly": 12.0, "reserved": 8.0, "use": "reserved", "discount": 0.25}},
        "inference_parameters": {"max_tokens": 32},
        "load": {"duration": 3, "warmup_requests": 4, "timeout": 20, "prompt_reuse": "allowed"},
        "slo": {"ttft": 0.08, "tpot": 0.008, "latency": 0.2},
        "energy": {"usd_per_kwh": 0.3, "grams_co2_per_kwh": 400},
        "experiments": [
            {**common, "name": "cheap", "ep_name": cheap, "instance_type": "small"},
            {**common, "name": "quick", "ep_name": quick, "instance_type": "large"},
        ],
        "report": {"error_rate_budget": 0.9},
    }
    path = folder / "budgets.yml"
    path.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    return path


def _meter(run: Run, experiment: str) -> None:
    """Counters of energy beside the samples of an experiment, as of a machine that has them: `WATTS` all the time."""
    [samples] = [path for path in run.workspace.samples_of(experiment) if path.stem != "notes"]
    times = [line for line in map(json.loads, samples.read_text().splitlines()) if "values" in line]
    labels = {"machine": "endpoint", "server": "here", "domain": "package-0", "zone": "intel-rapl:0"}
    series = {"id": 0, "source": "rapl", "metric": "energy", "kind": "counter", "unit": "J", "labels": labels}
    lines: list[dict[str, Any]] = [{"series": series}]
    for line in times:
        at = {name: line[name] for name in ("time", "monotonic")}
        lines.append({**at, "values": {"0": WATTS * (line["monotonic"] - times[0]["monotonic"])}})
    (samples.parent / "metered.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def half_way(measured: Measured, measure: BudgetMeasure) -> float:
    """A limit between the figures of both endpoints."""
    ours, theirs = number(measured.cheap, measure.column), number(measured.quick, measure.column)
    assert ours is not None, measure.column
    assert theirs is not None, measure.column
    assert theirs > ours if measure.at_least else theirs < ours, "the quick one is better"
    return (ours + theirs) / 2


def test_without_a_budget_that_binds_the_cheap_one_wins(measured: Measured) -> None:
    decision = measured.decided({})
    assert decision.winner is not None
    assert decision.winner["experiment_name"] == "cheap"
    assert decision.runner_up is not None
    assert decision.runner_up["experiment_name"] == "quick"
    assert measured.run.config.energy == EnergySection(usd_per_kwh=0.3, grams_co2_per_kwh=400)
    assert measured.quick["price_terms"] == "reserved, 25% off"


@pytest.mark.parametrize("measure", OTHERS, ids=lambda measure: measure.name)
def test_a_budget_that_only_the_quick_one_meets(measured: Measured, measure: BudgetMeasure) -> None:
    decision = measured.decided({measure.name: half_way(measured, measure)})
    assert decision.winner is not None
    assert decision.winner["experiment_name"] == "quick"
    [failed] = decision.failed
    assert failed.row["experiment_name"] == "cheap"
    assert [outcome.column for outcome in failed.missed] == [measure.column]
    limits = {limit.column: limit for limit in decision.budgets.limits}
    assert limit_text(limits[measure.column]) in decision.text


@pytest.mark.parametrize("measure", COSTS, ids=lambda measure: measure.name)
def test_a_cost_that_nobody_meets(measured: Measured, measure: BudgetMeasure) -> None:
    least = min(number(row, measure.column) or 0.0 for row in (measured.cheap, measured.quick))
    decision = measured.decided({measure.name: 0.5 * least})
    assert decision.winner is None
    assert decision.nearest is not None
    assert [outcome.column for one in decision.judgements for outcome in one.missed] == [measure.column] * 2
    assert measured.decided({measure.name: 1.01 * least}).winner is not None


def test_the_report_says_how_sure_each_budget_is_met(measured: Measured) -> None:
    between = half_way(measured, next(measure for measure in MEASURES if measure.name == "TPOT_mean"))
    decision = measured.decided({"TPOT_mean": between, "transactions_per_minute": 1.0, "cost_per_1m_tokens": 1e6})
    outcomes = decision.to_dict()["outcomes"]
    assert set(outcomes) == {"winner"}
    assert {one["column"]: one["met"] for one in outcomes["winner"]} == {
        "TPOT_mean": True,
        "error_rate": True,
        "transactions_per_minute": True,
        "price_per_1m_tokens": True,
    }
    report = report_inputs(measured.run, measured.analysis)

    [shown] = budgets_shown(replace(report, decision=decision))
    assert "| budget | best |" in shown
    assert "TPOT mean" in shown
    assert "surely met" in shown
