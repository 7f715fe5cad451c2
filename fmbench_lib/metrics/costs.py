"""What a run cost, by experiment: for the time that was measured, and for the time that will be billed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column, names
from fmbench_lib.metrics.groups.identity import IDENTITY
from fmbench_lib.metrics.groups.tokens import BILLED
from fmbench_lib.metrics.missing import Row, number, or_nan, rows_of, text
from fmbench_lib.metrics.prices import ACCELERATOR_HOUR, ORIGIN, accelerator_hourly, cost_of, price_kind, price_origin
from fmbench_lib.pricing.price_list import PriceList

_EXPERIMENT = {column.name: column for column in IDENTITY}
COST_TABLE: tuple[Column, ...] = (
    *(_EXPERIMENT[name] for name in ("experiment_name", "instance_type", "instance_count")),
    Column("duration_in_seconds", "s", "number", "the time of its levels, each with warm-up and drain"),
    Column("cost", "USD", "number", "`cost_measuring` by the name that FMBench 2.x gave it"),
    Column("cost_measuring", "USD", "number", "cost of that time, or of the tokens of all its successes"),
    Column("billed_seconds", "s", "number", "from in service to deleted"),
    Column("cost_billed", "USD", "number", "cost of that time, or of the same tokens"),
    ACCELERATOR_HOUR,
    *ORIGIN,
    Column("note", "", "text", "why a figure is not known"),
)
"""`endpoint_per_instance_per_run_costs.csv`: one row per experiment."""

_OF_CACHE = ("billed_cached_tokens", "billed_cache_write_tokens")

COST_COLUMNS = names(COST_TABLE)


def experiment_costs(summary: pd.DataFrame, endpoints: Iterable[Mapping[str, Any]], prices: PriceList) -> pd.DataFrame:
    """One row per experiment, in `COST_COLUMNS`.

    `cost_measuring` is `hourly/3600 * seconds of its levels * instance_count`, or the tokens of all its successes
    (warm-up included) at the token rates. `cost_billed` is the same from in service to deleted, or the same tokens; it
    is unknown while the endpoint runs, and for one that fmbench did not deploy. With `whole_hours` (provisioned
    throughput) both are in whole hours, rounded up. `endpoints` are mappings with `experiment_name`, `whole_hours`,
    `in_service_at`, `deleted_at` (Unix seconds; None: not yet) and `seconds_in_service` between them.
    """
    by_name = {str(endpoint.get("experiment_name")): endpoint for endpoint in endpoints}
    groups: dict[str, list[Row]] = {}
    for row in rows_of(summary):
        groups.setdefault(str(row["experiment_name"]), []).append(row)
    rows = [_cost_row(name, levels, by_name.get(name, {}), prices) for name, levels in groups.items()]
    return pd.DataFrame(rows, columns=list(COST_COLUMNS))


def total(costs: pd.DataFrame, column: str = "cost_measuring") -> float | None:
    """The sum of a cost column, USD; None if the cost of any experiment is unknown, or there is none."""
    values = costs[column]
    return float(values.sum()) if len(values) and not values.isna().any() else None


def _cost_row(name: str, levels: Sequence[Row], endpoint: Mapping[str, Any], prices: PriceList) -> Cells:
    sums = {column: _sum(levels, column) for column in ("level_s", *names(BILLED))}
    instance_type = text(levels[0], "instance_type")
    row = {**levels[0], **sums}
    price = prices.lookup(instance_type)
    whole_hours = bool(endpoint.get("whole_hours"))
    measuring = cost_of(price, row, sums["level_s"], whole_hours=whole_hours) if price else None
    seconds = _in_service(endpoint)
    billed = cost_of(price, row, seconds, whole_hours=whole_hours) if price else None
    return {
        "experiment_name": name,
        "instance_type": instance_type,
        "instance_count": number(row, "instance_count"),
        "duration_in_seconds": or_nan(sums["level_s"]),
        "cost": or_nan(measuring),
        "cost_measuring": or_nan(measuring),
        "billed_seconds": or_nan(seconds),
        "cost_billed": or_nan(billed),
        "price_per_accelerator_hour": or_nan(accelerator_hourly(price)),
        **price_origin(price),
        "note": _note(price_kind(price), endpoint, measuring, sums) if price else prices.why_none(instance_type),
    }


def _sum(levels: Sequence[Row], column: str) -> float | None:
    """The sum over an experiment's levels; None if any is unknown, though a server need not report cached tokens."""
    values = [number(level, column) for level in levels]
    known = [value for value in values if value is not None]
    if not known or (len(known) < len(values) and column not in _OF_CACHE):
        return None
    return sum(known)


def _in_service(endpoint: Row) -> float | None:
    seconds = number(endpoint, "seconds_in_service")
    return None if seconds is None else seconds + (number(endpoint, "served_before") or 0.0)


def _note(kind: str | None, endpoint: Row, measuring: float | None, sums: Row) -> str | None:
    if measuring is None and kind == "instance":
        return "the seconds of its levels are unknown"
    if measuring is None:
        none = number(sums, "billed_prompt_tokens") == number(sums, "billed_completion_tokens") == 0
        return "none of its requests succeeded" if none else "its token counts are unknown"
    if kind == "instance" and (endpoint.get("owned") is False or number(endpoint, "in_service_at") is None):
        return "not deployed by fmbench: what is billed is not known here"
    if kind == "instance" and number(endpoint, "deleted_at") is None:
        return "not deleted yet: it still costs money"
    return None
