"""`summary.json`: strict JSON in the names of the CSV files."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.metric_groups import SUMMARY_COLUMNS
from fmbench_lib.report.report_data import FailedDeployment, StandingEndpoint
from fmbench_lib.report.summary import summary_document


def strictly(document: dict) -> dict:
    """The document as another program reads it; NaN and infinities are refused on the way."""
    return json.loads(json.dumps(document, allow_nan=False))


def test_levels_carry_the_columns_of_the_csv(quickstart) -> None:
    found = strictly(summary_document(quickstart))
    assert len(found["levels"]) == 6
    for level in found["levels"]:
        assert set(level) == set(SUMMARY_COLUMNS)
    first = found["levels"][0]
    assert first["requests"] == 80
    assert isinstance(first["requests"], int)
    assert first["concurrency"] == 1
    assert first["request_rate"] is None
    assert first["errors_by_class"] == {}
    assert first["latency_p95"] == quickstart.summary.iloc[0]["latency_p95"]


def test_the_decision_and_what_it_rests_on(quickstart) -> None:
    found = strictly(summary_document(quickstart))
    assert found["decision"]["winner"]["concurrency"] == 4
    assert found["decision"]["text"] == quickstart.decision.text
    assert found["budgets"]["latency_budget"] == 1.0
    assert found["dataset_of_interest"] == "payload_en_1-300.jsonl"
    assert sum(found["verdicts"].values()) == 6
    assert found["cost_billed"] == pytest.approx(660 * 0.2016 / 3600)
    price = found["prices"][0]
    assert (price["kind"], price["hourly"], price["origin"]["verified"]) == ("instance", 0.2016, False)
    assert found["run"]["versions"]["Python"] == "3.11.13"


def test_what_is_missing_is_null(build, simulate) -> None:
    inputs = build(
        [simulate(n=20, streamed=False, instance_type=None), simulate("dead", n=20, errors={"connect": 20})],
        Budgets(cost_per_10k_txn_budget=1.0),
        failed_deployments=[FailedDeployment("gone", None, "no")],
        standing=[StandingEndpoint("here", "local", None, "127.0.0.1", "fmbench cleanup x")],
    )
    found = strictly(summary_document(inputs))
    assert found["levels"][0]["TTFT_p95"] is None
    assert found["levels"][0]["price_per_txn"] is None
    assert found["levels"][1]["latency_p95"] is None
    assert found["levels"][1]["errors_by_class"] == {"connect": 20}
    assert found["cost_measuring"] is None
    assert found["decision"]["winner"] is None
    assert found["failed_deployments"][0]["instance_type"] is None
    assert found["standing"][0]["hourly"] is None


def test_no_level_and_odd_facts(build, quickstart) -> None:
    from dataclasses import replace

    run = replace(quickstart.run, host=MappingProxyType({"load": float("nan"), "cores": (1, 2)}))
    found = strictly(summary_document(build([], run=run)))
    assert found["levels"] == []
    assert found["run"]["host"] == {"load": None, "cores": [1, 2]}
