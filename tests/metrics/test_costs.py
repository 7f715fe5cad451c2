"""What experiments cost."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from fmbench_lib.metrics.costs import COST_COLUMNS, experiment_costs, total
from fmbench_lib.metrics.prices import instance_price_per_txn
from fmbench_lib.pricing.price_list import PriceList

PRICES_BY_TOKEN = {"input-per-1k-tokens": 0.003, "output-per-1k-tokens": 0.015}
PRICES = PriceList.from_mapping({"trn1.32xlarge": 21.5, "model:0": PRICES_BY_TOKEN}, "test")


def level(experiment="exp", instance_type="trn1.32xlarge", level_s=600.0, tokens=(1000.0, 100.0), **other):
    return {
        "experiment_name": experiment,
        "instance_type": instance_type,
        "instance_count": None,
        "level_s": level_s,
        "billed_prompt_tokens": tokens[0],
        "billed_completion_tokens": tokens[1],
        "billed_cached_tokens": None,
    } | other


def costs_of(levels, endpoints=()):
    return experiment_costs(pd.DataFrame(levels), endpoints, PRICES)


def test_seconds_of_the_levels_and_of_the_bill():
    endpoint = {"experiment_name": "exp", "in_service_at": 1.0, "deleted_at": 9.0, "seconds_in_service": 3600.0}
    found = costs_of([level(level_s=1000.0), level(level_s=259.29)], [endpoint])
    assert list(found.columns) == list(COST_COLUMNS)
    row = found.iloc[0]
    assert row["duration_in_seconds"] == pytest.approx(1259.29)
    assert row["cost_measuring"] == row["cost"] == pytest.approx(7.520760, rel=1e-5)
    assert row["billed_seconds"] == 3600
    assert row["cost_billed"] == pytest.approx(21.5)
    assert row["note"] is None
    assert total(found) == pytest.approx(7.520760, rel=1e-5)


def test_several_instances_cost_several_times():
    found = costs_of([level(level_s=3600.0, instance_count=2)])
    assert found["cost_measuring"][0] == pytest.approx(43.0)


def test_provisioned_throughput_is_paid_for_by_the_hour_that_was_begun():
    """88 USD/h, two model units, 70 minutes in service: two hours, 352 USD; 1,000 s of load: one hour, 176 USD."""
    endpoint = {"experiment_name": "exp", "whole_hours": True, "in_service_at": 1.0, "seconds_in_service": 4200.0}
    prices = PriceList.from_mapping({"a-model-pt": 88, "model:0": PRICES_BY_TOKEN}, "test")
    provisioned = level(instance_type="a-model-pt", level_s=1000.0, instance_count=2)
    row = experiment_costs(pd.DataFrame([provisioned]), [endpoint], prices).iloc[0]
    assert (row["cost_measuring"], row["billed_seconds"], row["cost_billed"]) == (176.0, 4200.0, 352.0)
    elsewhere = experiment_costs(pd.DataFrame([provisioned]), [endpoint | {"whole_hours": False}], prices).iloc[0]
    assert elsewhere["cost_measuring"] == pytest.approx(88 * 2 * 1000 / 3600)
    on_demand = experiment_costs(pd.DataFrame([level(instance_type="model:0")]), [endpoint], prices).iloc[0]
    assert on_demand["cost_billed"] == pytest.approx(0.0045), "tokens have no hours"


def test_the_same_provisioned_throughput_by_the_transaction():
    """88 USD/h for two units at 120 transactions per minute: 176 / 60 / 120."""
    assert instance_price_per_txn(88, 2, 120) == pytest.approx(0.0244444444, rel=1e-8)


def test_tokens_cost_whatever_the_time():
    found = costs_of([level(instance_type="model:0", level_s=None), level(instance_type="model:0", level_s=None)])
    assert found["cost_measuring"][0] == pytest.approx(2 * (0.003 + 0.0015))
    assert found["cost_billed"][0] == pytest.approx(2 * (0.003 + 0.0015))
    assert math.isnan(found["duration_in_seconds"][0])
    assert found["note"][0] is None


def test_a_level_without_a_success_has_no_tokens_and_leaves_the_others_their_cost():
    found = costs_of([level(instance_type="model:0"), level(instance_type="model:0", tokens=(0.0, 0.0))])
    assert found["cost_measuring"][0] == pytest.approx(0.003 + 0.0015)
    assert found["note"][0] is None


@pytest.mark.parametrize(
    ("levels", "endpoints", "note"),
    [
        ([level(instance_type="x1.big")], [], "no price listed for x1.big"),
        ([level(), level(level_s=None)], [], "the seconds of its levels are unknown"),
        ([level(instance_type="model:0", tokens=(None, None))], [], "its token counts are unknown"),
        ([level(instance_type="model:0", tokens=(0.0, 0.0))], [], "none of its requests succeeded"),
        ([level()], [], "not deployed by fmbench: what is billed is not known here"),
        (
            [level()],
            [{"experiment_name": "exp", "in_service_at": 1.0, "owned": False}],
            "not deployed by fmbench: what is billed is not known here",
        ),
        ([level()], [{"experiment_name": "exp", "in_service_at": 1.0}], "not deleted yet: it still costs money"),
    ],
)
def test_a_cost_that_cannot_be_known_is_missing_and_says_why(levels, endpoints, note):
    found = costs_of(levels, endpoints)
    assert math.isnan(found["cost_billed"][0])
    assert found["note"][0] == note


def test_a_total_with_an_unknown_part_is_unknown():
    found = costs_of([level(), level("other", "x1.big")])
    assert list(found["experiment_name"]) == ["exp", "other"]
    assert total(found) is None
    assert total(found.iloc[:1]) == pytest.approx(21.5 / 6)
    assert total(found.iloc[:0]) is None
