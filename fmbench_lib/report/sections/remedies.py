"""What mends a level's reason for its verdict, a missed budget or a class of errors: one change to a config."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fmbench_lib.config.budget_measures import BY_COLUMN
from fmbench_lib.metrics.decision.budgets import is_quality, unit_of
from fmbench_lib.metrics.decision.unknown_figures import how_to_know
from fmbench_lib.metrics.finding import (
    GREATER_CAP,
    MEASURE_LONGER,
    MORE_PROMPTS,
    MORE_WORKERS,
    NAME_TOKENIZER,
    OFFER_LESS,
    SEE_ERRORS,
    SEVERAL_TIMES,
    WARM_UP,
    WARM_UP_OR_LESS,
    factor_in,
    remedy_in,
)
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.report.level_order import is_rate

_LONGER = 4
"""How many times as much is measured where a reason only asks for more."""
_SEVERAL = 10
"""Requests for each one in flight that keep a closed loop busy."""

_WARMER = "more `load.warmup_requests`, and a longer level"

_SETTINGS = {
    MORE_WORKERS: "more `load.workers`",
    GREATER_CAP: "a greater `load.max_concurrency`, or a lower load",
    MORE_PROMPTS: "`load.prompt_reuse: across_levels`, or more prompts",
    NAME_TOKENIZER: "the `tokenizer` of the experiment",
    SEE_ERRORS: "see [failed experiments](#failed-experiments)",
    WARM_UP: _WARMER,
    WARM_UP_OR_LESS: _WARMER,
}
"""What advice means as a setting, where it means one."""

_BUDGETS = {
    "latency_p95": "latency_budget",
    "price_per_10k_txn": "cost_per_10k_txn_budget",
    "slo_attainment": "slo_attainment_budget",
}
"""Keys of the config's `report` section that are not among its `budgets`."""

_OF_ERRORS = {
    "dns": "the address in `ep_name`: its host has no such name",
    "connect": "`ep_name`: nothing accepts connections there, or the server died (its log)",
    "tls": "`ep_name`: its certificate is not accepted",
    "timeout": "a greater `load.timeout`, or a lower load",
    "http_4xx": "`inference_spec` or the credentials: the endpoint refuses such requests",
    "http_429": "a lower load: the endpoint limits its callers",
    "http_5xx": "the server: its log says why it failed",
    "truncated": "the server: it closed the connection before the end of its answer (its log)",
    "protocol": "`protocol` of the experiment: the answers are of another one",
    "decode": "`protocol` of the experiment: the answers are of another one",
    "endpoint": "the server: its answer holds an error in place of a text",
    "empty": "a greater `max_tokens`, or the prompt template: the answer has no text",
    "cancelled": "`--remeasure`: the request was in flight when its level ended",
}


def split_reason(reason: str) -> tuple[str, str]:
    """What was found, and the advice; the advice is empty where there is none."""
    what, _, advice = reason.rpartition(": ")
    return (what, advice) if what else (advice, "")


def remedy_of(reasons: Sequence[tuple[str, Row]], told: str) -> str:
    """The change, as Markdown, that mends reasons which differ only in their numbers, each with its level.

    `told`: their advice in words, which is given where no setting is known.
    """
    for found in (_least, _longer, _slots):
        changes = [change for reason, row in reasons if (change := found(split_reason(reason)[1], row))]
        if changes:
            name, value = max(changes, key=lambda change: change[1])
            return f"`{name}: {value}`"
    advice = split_reason(reasons[0][0])[1]
    if advice == OFFER_LESS:
        return _lower(reasons[0][1])
    return _SETTINGS.get(advice, told)


def remedy_of_budget(column: str, rows: Sequence[Row]) -> str:
    """The change that brings the levels that miss a budget within it, or the budget to what they can do."""
    measure = BY_COLUMN.get(column)
    key = f"`report.{_BUDGETS.get(column, f'budgets.{measure.name if measure else column}')}`"
    unknown = all(number(row, column) is None for row in rows)
    if unknown and not is_quality(column):
        return how_to_know(column, rows[0])
    if unit_of(column) == "time":
        return f"{_lower(rows[0])}, or raise {key}"
    if column == "error_rate":
        return "see the errors below"
    if unit_of(column) in ("cost", "energy"):
        return f"a load that is better used, or raise {key}"
    if unit_of(column) == "rate":
        return f"a greater load, more copies or another machine, or lower {key}"
    return f"{_lower(rows[0])}, or lower {key}" if column.startswith("slo_") else f"another model, or lower {key}"


def remedy_of_errors(error: str) -> str:
    """Where to look first for a class of errors."""
    return _OF_ERRORS.get(error, "the server's log")


Change = Callable[[str, Row], tuple[str, int] | None]


def _least(advice: str, _row: Row) -> tuple[str, int] | None:
    remedy = remedy_in(advice)
    return None if remedy is None else (remedy.key, remedy.least)


def _longer(advice: str, row: Row) -> tuple[str, int] | None:
    """So many times what the level had: requests where they ended it, else seconds."""
    factor = _LONGER if advice == MEASURE_LONGER else factor_in(advice)
    requests, window = number(row, "requested"), number(row, "window_s")
    if factor is None or not (requests or window):
        return None
    if requests and text(row, "stop_reason") != "duration":
        return "load.requests", math.ceil(requests * factor)
    return ("load.duration", math.ceil(window * factor)) if window else None


def _slots(advice: str, row: Row) -> tuple[str, int] | None:
    wanted = number(row, "concurrency")
    if advice != SEVERAL_TIMES or not wanted:
        return None
    return "load.requests", math.ceil(_SEVERAL * wanted)


def _lower(row: Row) -> str:
    return f"lower `{'request_rates' if is_rate(row) else 'concurrency_levels'}`"
