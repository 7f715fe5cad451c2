"""Which levels pass, which is chosen, and the columns of a request. Written from docs/metrics.md, "The decision"."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from recompute_part import Part
from recompute_reading import Cell

Row = Mapping[str, Any]
Budget = tuple[str, float, float]
"""A column, its budget, and the bound by which a level is judged."""


def payload_file_of(rows: Sequence[Row], wanted: str | None) -> str | None:
    """The payload file that the decision is about."""
    names = [str(row["payload_file"]) for row in rows]

    def named(name: str) -> bool:
        return wanted in (name, name.removeprefix("payload_").removesuffix(".jsonl"))

    tests: tuple[Callable[[str], bool], ...] = (
        named,
        lambda name: str(wanted) in name,
        lambda name: re.search(str(wanted), name) is not None,
    )
    for test in tests if wanted else ():
        if matches := [name for name in names if test(name)]:
            names = matches
            break
    return max(dict.fromkeys(names), key=names.count) if names else None


def budgets_of(report: Mapping[str, Any]) -> list[Budget]:
    """The limits of the config's `report` section."""
    limits = dict(report.get("budgets") or {})
    for name in ("latency_p95", "cost_per_10k_txn", "error_rate", "slo_attainment"):
        key = {"latency_p95": "latency_budget"}.get(name, f"{name}_budget")
        if report.get(key) is not None:
            limits[name] = report[key]
    limits.setdefault("error_rate", 0.0)
    budgets = []
    for name, limit in limits.items():
        latitude = report.get("latency_latitude", 0.0) if name == "latency_p95" else 0.0
        column = {"goodput": "slo_attainment", "goodput_rate": "goodput"}.get(
            name, name.replace("cost_per", "price_per")
        )
        budgets.append((column, float(limit), limit * (1 + latitude)))
    return budgets


def passes(row: Row, budgets: Iterable[Budget]) -> bool:
    """Whether a level may be chosen."""
    usable = row["verdict"] != "invalid" and row["sustainable"] not in ("no", "unknown")
    return usable and row["_search"] is None and all(_met(row, *budget) for budget in budgets)


def _met(row: Row, column: str, _: float, bound: float) -> bool:
    value = _of(row, column)
    least = column.startswith(("slo_", "transactions_")) or column.endswith("_throughput") or column == "goodput"
    return value >= bound if least else value <= bound


def with_search(row: Row, searches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The row with what the search that covers it has against it, as `_search`: the greatest excess over one of its
    limits, None for nothing."""
    for search in searches:
        if search["loads"] and all(search[name] == row[name] for name in ("experiment_name", "payload_file")):
            return {**row, "_search": _against(row, search)}
    return {**row, "_search": None}


def _against(row: Row, search: Mapping[str, Any]) -> float | None:
    limits = [(name, float(limit), float(limit)) for name, limit in search["subject_to"].items()]
    missed = [limit for limit in limits if not _met(row, *limit)]
    excess = max((_excess(row, *limit[:2]) for limit in missed), default=0.0)
    load = _of(row, "concurrency" if search["find"] == "max_concurrency" else "request_rate")
    if search["found"] is None:
        refused, answer = load >= min(search["loads"]), False
    else:
        refused, answer = search["missed"] is not None and load > search["found"], load == search["found"]
    return excess if refused or (missed and not answer) else None


def _excess(row: Row, column: str, budget: float) -> float:
    """By how much a level misses a limit, as a share of it; a share of requests is one already."""
    over = abs(_of(row, column) - budget)
    if column == "error_rate" or column.startswith("slo_"):
        return math.inf if math.isnan(over) else over
    return over / budget if budget > 0 and not math.isnan(over) else math.inf


def _of(row: Row, name: str) -> float:
    value = row.get(name)
    return math.nan if value is None else float(value)


def _last(value: float) -> float:
    return math.inf if math.isnan(value) else value


def winner(rows: Sequence[Row]) -> Row | None:
    """The level that is chosen of those that pass: by price, or throughput where none has a price; by output token
    where the best levels of the experiments differ in output tokens by more than 5%, else by token of prompt and output
    where their prompts do at least twofold and by more than 5% of all tokens."""
    priced = [row for row in rows if not math.isnan(_of(row, "price_per_txn"))]
    candidates = priced or list(rows)

    def cost(row: Row) -> float:
        return _last(_of(row, "price_per_txn") if priced else _instances(row) / _of(row, "transactions_per_minute"))

    best = _best_of_each(candidates, cost)
    for unequal, tokens in ((_unequal, _output), (_unequal_prompts, _all_tokens)):
        if best and unequal(best):
            known = [row for row in candidates if tokens(row) > 0]
            return _best_of_each(known, lambda row, tokens=tokens: cost(row) / tokens(row))[0]
    return best[0] if best else None


def _instances(row: Row) -> float:
    count = _of(row, "instance_count")
    return 1.0 if math.isnan(count) else count


def _output(row: Row) -> float:
    return _of(row, "completion_token_count_mean")


def _all_tokens(row: Row) -> float:
    return _of(row, "prompt_token_count_mean") + _output(row)


def _best_of_each(rows: Sequence[Row], cost: Callable[[Row], float]) -> list[Row]:
    ordered = sorted(rows, key=lambda row: (cost(row), _last(_of(row, "latency_p95"))))
    best: dict[object, Row] = {}
    for row in ordered:
        best.setdefault(row["experiment_name"], row)
    return list(best.values())


def _unequal(best: Sequence[Row]) -> bool:
    tokens = [count for row in best if (count := _of(row, "completion_token_count_mean")) > 0]
    first = _of(best[0], "completion_token_count_mean")
    return any(1 - min(first, count) / max(first, count) > 0.05 + 1e-9 for count in tokens if first > 0)


def _unequal_prompts(best: Sequence[Row]) -> bool:
    prompts = [_of(row, "prompt_token_count_mean") for row in best]
    for prompt, row in zip(prompts[1:], best[1:], strict=True):
        low, high = min(prompts[0], prompt), max(prompts[0], prompt)
        longer = max(_all_tokens(best[0]), _all_tokens(row))
        known = low > 0 and not math.isnan(_all_tokens(best[0]) + _all_tokens(row))
        if known and 2 * low <= high and (high - low) / longer > 0.05 + 1e-9:
            return True
    return False


def nearest(rows: Sequence[Row], budgets: Sequence[Budget]) -> Row | None:
    """The level that comes nearest where none passes."""
    relied_on = [row for row in rows if row["verdict"] != "invalid"] or list(rows)
    usable = [row for row in relied_on if row["sustainable"] != "no"] or relied_on
    usable = [row for row in usable if row["_search"] is None] or usable
    return min(usable, key=lambda row: _distance(row, budgets), default=None)


def _distance(row: Row, budgets: Sequence[Budget]) -> tuple[float, ...]:
    missing, excesses = 0, []
    for column, budget, bound in budgets:
        value = _of(row, column)
        missing += math.isnan(value)
        if not math.isnan(value) and not _met(row, column, budget, bound):
            excesses.append(_excess(row, column, budget))
    excesses += [] if row["_search"] is None else [row["_search"]]
    prices = _last(_of(row, "price_per_txn")), _last(_of(row, "latency_p95"))
    return missing, max(excesses, default=0.0), sum(excesses), *prices


def each_instance_type(rows: Sequence[Row], budgets: Sequence[Budget]) -> list[Row]:
    """The same rules within each instance type: its winner, else its nearest, with `within_budgets`."""
    chosen = []
    for kind in dict.fromkeys(row["instance_type"] for row in rows):
        group = [row for row in rows if row["instance_type"] == kind]
        best = winner([row for row in group if passes(row, budgets)])
        chosen.append({**(best or nearest(group, budgets) or {}), "within_budgets": best is not None})
    return chosen


# -- requests --------------------------------------------------------------------------------------------------------

_FACTS = ("experiment_name", "payload_file", "load", "instance_type", "instance_count", "concurrency", "request_rate")
_RECORDED = (
    "phase", "request_id", "server_request_id", "prompt_id", "worker", "endpoint", "token_source",
    "prompt_token_source", "completion_token_source", "choices", "remarks", "error", "error_message", "status",
    "retry_after", "finish_reason", "due", "connect_s", "reused", "retried", "sent", "first", "first_answer", "last",
    "end", "streamed", "stamp_source", "client_lag", "schedule_lag", "completion",
)  # fmt: skip
_TIMES = ("latency", "TTFT", "TTFT_answer", "TPOT", "TTFT_from_sent", "latency_from_sent")

REQUESTS: dict[str, Callable[[Part], Sequence[Cell]]] = {
    **{name: lambda part, name=name: [part.level.facts[name]] * part.level.count for name in _FACTS},
    **{name: lambda part, name=name: part.level.texts(name) for name in _RECORDED},
    **{
        f"{kind}_token_count": lambda part, kind=kind: part.level.texts(f"{kind}_tokens")
        for kind in ("prompt", "completion", "cached", "reasoning", "seen")
    },
    **{name: lambda part, name=name: part.level.times[name].tolist() for name in _TIMES},
    "ITL_mean": lambda part: [float(np.mean(gaps)) if len(gaps) else math.nan for gaps in part.level.gaps],
    "ITL_max": lambda part: [float(np.max(gaps)) if len(gaps) else math.nan for gaps in part.level.gaps],
    "success": lambda part: part.level.ok.tolist(),
    "in_window": lambda part: part.chosen.tolist(),
    "completed_in_window": lambda part: part.completed.tolist(),
    "events": lambda part: [len(times) for times in part.level.events],
    "tokens_per_event": lambda part: [
        seen / len(times) if len(times) else math.nan
        for seen, times in zip(part.level.seen.tolist(), part.level.events, strict=True)
    ],
    "attempt": lambda part: [part.level.attempt] * part.level.count,
    "endpoint_name": lambda part: part.level.texts("endpoint"),
    "uuid": lambda part: part.level.texts("request_id"),
    "prompt_tokens": lambda part: part.level.texts("prompt_tokens"),
    "completion_tokens": lambda part: part.level.texts("completion_tokens"),
    "time_to_first_token": lambda part: part.level.times["TTFT"].tolist(),
    "time_per_output_token": lambda part: part.level.times["TPOT"].tolist(),
    "time_to_last_token": lambda part: np.where(
        np.isnan(part.level.times["TTFT"]), math.nan, part.level.times["latency"]
    ).tolist(),
}
"""By name, the columns of `per_inference_request_results.csv`: a value for each request of a level."""
