"""Energy of a transaction and of a token, its price and its emissions, by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from fmbench_lib.metrics.columns import names
from fmbench_lib.metrics.groups.energy import ENERGY, energy_columns
from fmbench_lib.metrics.level_row import level_row

ROW = {
    "energy_joules": 1800.0,
    "energy_transactions": 60,
    "billed_completion_tokens": 9000.0,
    "energy_usd_per_kwh": 0.3,
    "energy_grams_co2_per_kwh": 400.0,
}


def test_per_transaction_and_per_token():
    """1,800 J over 60 transactions are 30 J each, and over 9,000 tokens 0.2 J; 30 J are 30 / 3,600,000 kWh."""
    assert energy_columns(ROW) == {
        "joules_per_txn": 30.0,
        "joules_per_output_token": 0.2,
        "energy_usd_per_txn": pytest.approx(0.3 * 30 / 3.6e6),
        "grams_co2_per_txn": pytest.approx(400 * 30 / 3.6e6),
    }


@pytest.mark.parametrize(
    ("change", "empty"),
    [
        ({"energy_joules": None}, set(energy_columns(ROW))),
        ({"energy_transactions": 0}, {"joules_per_txn", "energy_usd_per_txn", "grams_co2_per_txn"}),
        ({"billed_completion_tokens": 0.0}, {"joules_per_output_token"}),
        ({"energy_usd_per_kwh": None}, {"energy_usd_per_txn"}),
        ({"energy_grams_co2_per_kwh": None}, {"grams_co2_per_txn"}),
    ],
)
def test_what_is_not_known_is_empty(change, empty):
    found = energy_columns({**ROW, **change})
    assert {name for name, value in found.items() if math.isnan(value)} == empty


def test_all_successes_of_the_level_share_the_energy_those_of_the_warm_up_too(request_row, facts):
    rows = [request_row(i, phase="warmup" if i < 2 else "measured", completion_tokens=10) for i in range(6)]
    rows.append(request_row(6, error="timeout"))
    read = {"energy_joules": 90.0, "energy_s": 5.0, "energy_source": "RAPL: package-0"}
    found = level_row(pd.DataFrame(rows), facts(**read))
    assert (found["energy_transactions"], found["joules_per_txn"], found["joules_per_output_token"]) == (6, 15.0, 1.5)
    without = level_row(pd.DataFrame(rows), facts())
    assert all(without[name] is None or math.isnan(without[name]) for name in names(ENERGY))
