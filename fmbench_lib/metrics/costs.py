"""What a run cost, by experiment: the time that was measured, and the time that will be billed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from fmbench_lib.metrics.cells import Row, number, or_nan, rows_of, text
from fmbench_lib.metrics.columns import BILLED
from fmbench_lib.metrics.prices import InstancePrice, PriceList
from fmbench_lib.metrics.row_prices import cost_of

COST_COLUMNS: tuple[str, ...] = (
    "experiment_name",
    "instance_type",
    "instance_count",
    "duration_in_seconds",
    "cost",
    "cost_measuring",
    "billed_seconds",
    "cost_billed",
    "price_kind",
    "price_source",
    "price_date",
    "price_verified",
    "note",
)
"""`endpoint_per_instance_per_run_costs.csv`; `cost` is `cost_measuring` under the name that older scripts read."""


def experiment_costs(summary: pd.DataFrame, endpoints: Iterable[Mapping[str, Any]], prices: PriceList) -> pd.DataFrame:
    """One row per experiment, in `COST_COLUMNS`.

    `cost_measuring` is `hourly/3600 * seconds of its levels * instance_count`, or the tokens of all its successes
    (warm-up too) at the token rates. `cost_billed` is the same from in service to deleted, or the same tokens: it is
    unknown while the endpoint runs, and for one that fmbench did not deploy. `endpoints` are mappings with
    `experiment_name`, `in_service_at` and `deleted_at` (Unix seconds).
    """
    by_name = {str(endpoint.get("experiment_name")): endpoint for endpoint in endpoints}
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(summary):
        groups.setdefault(str(row["experiment_name"]), []).append(row)
    rows = [_cost_row(name, levels, by_name.get(name, {}), prices) for name, levels in groups.items()]
    return pd.DataFrame(rows, columns=list(COST_COLUMNS))


def total(costs: pd.DataFrame, column: str = "cost_measuring") -> float | None:
    """The sum of a cost column; None as soon as one experiment's cost is unknown, or there is none."""
    values = costs[column]
    return float(values.sum()) if len(values) and not values.isna().any() else None


def _cost_row(
    name: str, levels: list[dict[str, Any]], endpoint: Mapping[str, Any], prices: PriceList
) -> dict[str, Any]:
    sums = {column: _sum(levels, column) for column in ("level_s", *BILLED)}
    instance_type = text(levels[0], "instance_type")
    row = {**levels[0], **sums}
    price = prices.lookup(instance_type)
    measuring = cost_of(price, row, sums["level_s"]) if price else None
    seconds = _in_service(endpoint)
    billed = cost_of(price, row, seconds) if price else None
    kind = None if price is None else "instance" if isinstance(price, InstancePrice) else "token"
    return {
        "experiment_name": name,
        "instance_type": instance_type,
        "instance_count": number(row, "instance_count"),
        "duration_in_seconds": or_nan(sums["level_s"]),
        "cost": or_nan(measuring),
        "cost_measuring": or_nan(measuring),
        "billed_seconds": or_nan(seconds),
        "cost_billed": or_nan(billed),
        "price_kind": kind,
        "price_source": price.origin.source if price else None,
        "price_date": price.origin.date if price else None,
        "price_verified": price.origin.verified if price else None,
        "note": _note(row, kind, endpoint, measuring),
    }


def _sum(levels: list[dict[str, Any]], column: str) -> float | None:
    """The sum over an experiment's levels; unknown if one is, except that a server need not speak of cached tokens."""
    values = [number(level, column) for level in levels]
    known = [value for value in values if value is not None]
    if not known or (len(known) < len(values) and column != "billed_cached_tokens"):
        return None
    return sum(known)


def _in_service(endpoint: Row) -> float | None:
    begin, end = number(endpoint, "in_service_at"), number(endpoint, "deleted_at")
    return None if begin is None or end is None else end - begin + (number(endpoint, "served_before") or 0.0)


def _note(row: Row, kind: str | None, endpoint: Row, measuring: float | None) -> str | None:
    if kind is None:
        return f"no price listed for {text(row, 'instance_type') or 'an experiment without instance_type'}"
    if measuring is None:
        return "the seconds of its levels are unknown" if kind == "instance" else "its token counts are unknown"
    if kind == "instance" and number(endpoint, "in_service_at") is None:
        return "not deployed by fmbench: what is billed is not known here"
    if kind == "instance" and number(endpoint, "deleted_at") is None:
        return "not deleted yet: it still costs money"
    return None
