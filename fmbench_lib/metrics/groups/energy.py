"""The energy that a level took: of a transaction and of an output token, what it costs and emits.

The energy is that between the readings of the counters right before and right after the level, so it is divided by all
that was done in between, warm-up included.
"""

from __future__ import annotations

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, Row, number, or_nan, text

JOULES_PER_KWH = 3.6e6

_READ = (
    Column(
        "energy_joules",
        "J",
        "number",
        "energy that the endpoint's machine took from before its first to after its last request; empty where that is "
        "not known, as for an endpoint elsewhere",
    ),
    Column("energy_s", "s", "number", "the time between these two readings"),
    Column("energy_source", "", "text", "whose counters they are, and what was taken off for idling"),
    Column("energy_transactions", "", "whole number", "successes in this time, warm-up included"),
    Column("energy_usd_per_kwh", "USD", "number", "`energy.usd_per_kwh` of the config"),
    Column("energy_grams_co2_per_kwh", "g", "number", "`energy.grams_co2_per_kwh` of the config"),
)
_DERIVED = (
    Column("joules_per_txn", "J", "number", "`energy_joules / energy_transactions`"),
    Column("joules_per_output_token", "J", "number", "`energy_joules / billed_completion_tokens`"),
    Column("energy_usd_per_txn", "USD", "number", "what the energy of a transaction costs"),
    Column("grams_co2_per_txn", "g", "number", "what it emits"),
)
ENERGY = (*_READ, *_DERIVED)


def energy_read(sample: LevelSample) -> Cells:
    """The columns that are facts of the level; empty where nothing was read."""
    return energy_cells(sample.facts, int(np.count_nonzero(sample.requests["success"].to_numpy(dtype=bool))))


def energy_cells(facts: Row, done: int) -> Cells:
    """The same from the facts of a level, of whose requests, warm-up included, `done` succeeded."""
    known = {name: or_nan(number(facts, name)) for name in ("energy_joules", "energy_s")}
    counted = number(facts, "energy_joules") is not None
    rates = ("energy_usd_per_kwh", "energy_grams_co2_per_kwh")
    return {
        **known,
        **{name: or_nan(number(facts, name) if counted else None) for name in rates},
        "energy_source": text(facts, "energy_source"),
        "energy_transactions": done if counted else NAN,
    }


def energy_columns(row: Row) -> Cells:
    """The columns that follow from the energy of a level; NaN where something that they need is not known."""
    joules, done = number(row, "energy_joules"), number(row, "energy_transactions")
    tokens = number(row, "billed_completion_tokens")
    per_txn = joules / done if joules is not None and done else None
    kwh = None if per_txn is None else per_txn / JOULES_PER_KWH
    price, grams = number(row, "energy_usd_per_kwh"), number(row, "energy_grams_co2_per_kwh")
    return {
        "joules_per_txn": or_nan(per_txn),
        "joules_per_output_token": or_nan(joules / tokens if joules is not None and tokens else None),
        "energy_usd_per_txn": or_nan(None if kwh is None or price is None else kwh * price),
        "grams_co2_per_txn": or_nan(None if kwh is None or grams is None else kwh * grams),
    }
