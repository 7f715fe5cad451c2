"""What makes a figure known that a budget is about and a level lacks: no other load does."""

from __future__ import annotations

from fmbench_lib.metrics.decision.budgets import GOODPUT, is_quality, name_of, unit_of
from fmbench_lib.metrics.finding import NAME_TOKENIZER
from fmbench_lib.metrics.missing import Row, number, text

_TOKEN_TIMES = ("TTFT", "TPOT", "ITL")
_OF_SLO = ("slo_attainment", GOODPUT)


def how_to_know(column: str, row: Row) -> str:
    """What to do about the figure `column`, which the level `row` lacks; ends with leaving its budget out where nothing
    else can be done."""
    if unit_of(column) == "cost" and not text(row, "price_kind"):
        return "give its price in `pricing`"
    if unit_of(column) == "energy":
        return _energy(column, row)
    if text(row, "imported_from"):
        return f"its files do not have {name_of(column)}: import some that do, or measure it with `fmbench run`"
    if number(row, "successes") == 0:
        return "none of its requests succeeded: see its errors"
    if unit_of(column) == "cost":
        return NAME_TOKENIZER if "token" in column else "see why its cost is not known (`price_note`)"
    if is_quality(column):
        return "have its answers judged (`evaluation`)"
    if column.startswith(_OF_SLO) and number(row, "latency_p95") is not None:
        return "set its objectives in `slo`, of `latency` alone where answers are not streamed"
    if column.startswith(_TOKEN_TIMES):
        return "its answers show no times of tokens: have them streamed (`inference_spec.stream`), or budget `latency`"
    if unit_of(column) == "rate" and "token" in column:
        return NAME_TOKENIZER
    return f"measure {name_of(column)}, or leave its budget out of `report.budgets`"


def _energy(column: str, row: Row) -> str:
    if number(row, "energy_joules") is None:
        return (
            "its energy was not measured: run fmbench on the endpoint's machine, where it may read the counters "
            "(docs/monitors.md), or leave the budget out of `report.budgets`"
        )
    return "set `energy.grams_co2_per_kwh`" if column.startswith("grams") else NAME_TOKENIZER
