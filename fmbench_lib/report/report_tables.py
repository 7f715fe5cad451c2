"""The tables of a report as frames of short texts: a notebook shows them as they are, `markdown.frame` writes them.

Nothing in them is Markdown or HTML. A figure that fails ends in `FAILS`; one that is missing is `MISSING`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from fmbench_lib.metrics.budgets import Budgets, Judgement, judge
from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.metrics.wording import load_label
from fmbench_lib.pricing.price_list import InstancePrice, Price
from fmbench_lib.report.figures.error_rates import errors_by_class
from fmbench_lib.report.level_order import dataset_name, in_order, of_payload
from fmbench_lib.report.numbers import (
    MISSING,
    amount,
    count,
    dollars,
    duration,
    estimate,
    moment,
    percent,
    plain,
    seconds,
    several,
    significant,
)
from fmbench_lib.report.report_data import FailedDeployment, FailedLevel, StandingEndpoint

FAILS = "✗"
"""The sign behind a figure that misses its budget."""

_OBJECTIVES = {"ttft": "TTFT", "tpot": "TPOT", "latency": "latency"}
MEASURES = (
    ("latency", "latency"),
    ("TTFT", "TTFT"),
    ("TTFT_answer", "TTFT of the answer"),
    ("TPOT", "TPOT"),
    ("ITL", "ITL"),
)


def instance(row: Row) -> str:
    """`g5.2xlarge`, or `2 × g5.2xlarge`."""
    name, copies = text(row, "instance_type") or MISSING, number(row, "instance_count")
    return f"{plain(copies)} × {name}" if copies is not None and copies != 1 else name


def levels_table(summary: pd.DataFrame) -> pd.DataFrame:
    """Every level: what was offered, what came back, how fast, for how much, and how far it can be believed."""
    return _frame(
        {
            "experiment": str(row["experiment_name"]),
            "dataset": dataset_name(text(row, "payload_file")),
            "instance": instance(row),
            "load": load_label(row),
            "requests": count(row["requests"]),
            "error rate": percent(row["error_rate"]),
            "txn/min": significant(row["transactions_per_minute"]),
            "tokens in / out": f"{count(row['prompt_token_count_mean'])} / {count(row['completion_token_count_mean'])}",
            "tokens/s out": significant(row["completion_token_throughput"]),
            "latency p50": seconds(row["latency_p50"]),
            "latency p95 (95% CI)": _estimate(row, "latency_p95"),
            "latency p99": seconds(row["latency_p99"]),
            "TTFT p50": seconds(row["TTFT_p50"]),
            "TTFT p95": seconds(row["TTFT_p95"]),
            "USD per 10,000 txn": amount(row["price_per_10k_txn"]),
            "verdict": str(row["verdict"]),
        }
        for row in in_order(rows_of(summary))
    )


def latency_table(summary: pd.DataFrame, payload_file: str | None) -> pd.DataFrame:
    """Latency, TTFT, TPOT and ITL of the levels of a payload file: n, mean, and percentiles with confidence intervals.

    Kinds of times that a level does not have are left out; TTFT of the answer where reasoning made it differ.
    """
    rows = []
    for row in of_payload(rows_of(summary), payload_file):
        for family, name in MEASURES:
            if not number(row, f"{family}_n") or (family == "TTFT_answer" and _same_as_first(row)):
                continue
            figures = {f"{q} (95% CI)": _estimate(row, f"{family}_{q}") for q in ("p50", "p95", "p99")}
            known = {"experiment": str(row["experiment_name"]), "load": load_label(row), "measure": name}
            rows.append({**known, "n": count(row[f"{family}_n"]), "mean": seconds(row[f"{family}_mean"]), **figures})
    return _frame(rows)


def goodput_table(summary: pd.DataFrame) -> pd.DataFrame:
    """What each level delivered within the objectives of a single request; empty where there are none."""
    rows = [row for row in in_order(rows_of(summary)) if number(row, "slo_attainment") is not None]
    single = [name for name in _OBJECTIVES if any(number(row, f"slo_attainment_{name}") is not None for row in rows)]
    return _frame(
        {
            **_level(row),
            "goodput (requests/s)": significant(row["goodput"]),
            "of throughput": significant(row["transactions_per_second"]),
            "within all": percent(row["slo_attainment"]),
            **{f"within {_OBJECTIVES[name]}": percent(row[f"slo_attainment_{name}"]) for name in single},
            "goodput (tokens/s)": significant(row["goodput_tokens"]),
            "of the tokens": percent(row["slo_token_attainment"]),
        }
        for row in rows
    )


def _same_as_first(row: Row) -> bool:
    return number(row, "TTFT_answer_mean") == number(row, "TTFT_mean")


def judgements(summary: pd.DataFrame, budgets: Budgets) -> list[Judgement]:
    """All levels, in order, each held against the budgets."""
    return [judge(row, budgets) for row in in_order(rows_of(summary))]


def missed_table(judged: Iterable[Judgement]) -> pd.DataFrame:
    """The levels that miss a budget, or have no figure to meet it with: each such figure ends in `FAILS`."""
    rows = []
    for one in judged:
        if one.meets_budgets:
            continue
        failing = {outcome.column for outcome in one.missed}
        row = one.row
        figures = {
            "error rate": ("error_rate", percent(row["error_rate"])),
            "latency p95 (95% CI)": ("latency_p95", _estimate(row, "latency_p95")),
            "USD per 10,000 txn": ("price_per_10k_txn", amount(row["price_per_10k_txn"])),
        }
        if any(outcome.column == "slo_attainment" for outcome in one.outcomes):
            figures["SLO attainment"] = ("slo_attainment", percent(row["slo_attainment"]))
        marked = {name: f"{said} {FAILS}" if column in failing else said for name, (column, said) in figures.items()}
        rows.append({**_level(row), **marked, "misses by": "; ".join(_misses(one))})
    return _frame(rows)


def _misses(one: Judgement) -> list[str]:
    said = []
    for outcome in one.missed:
        if outcome.value is None:
            said.append(f"{outcome.name} unknown")
        elif outcome.column == "error_rate":
            said.append(f"error rate {significant(100 * outcome.over, 2)} points")
        elif outcome.column == "slo_attainment":
            said.append(f"SLO attainment {significant(100 * outcome.over, 2)} points")
        else:
            by = seconds(outcome.over) if outcome.column == "latency_p95" else dollars(outcome.over)
            said.append(f"{outcome.name} {by}")
    return said


def errors_table(summary: pd.DataFrame) -> pd.DataFrame:
    """The levels that had errors, with how many of each class."""
    rows = []
    for row in in_order(rows_of(summary)):
        if number(row, "errors"):
            classes = ", ".join(f"{name}: {times:,}" for name, times in sorted(errors_by_class(row).items()))
            figures = {
                "requests": count(row["requests"]),
                "errors": count(row["errors"]),
                "error rate": percent(row["error_rate"]),
            }
            rows.append({**_level(row), **figures, "by class": classes})
    return _frame(rows)


def failed_deployments_table(failed: Iterable[FailedDeployment]) -> pd.DataFrame:
    """The experiments of which nothing was measured, and why."""
    return _frame(
        {"experiment": one.experiment_name, "instance": one.instance_type or MISSING, "reason": one.reason}
        for one in failed
    )


def failed_levels_table(failed: Iterable[FailedLevel]) -> pd.DataFrame:
    """The levels whose measurement broke down, and why."""
    return _frame(
        {"experiment": one.experiment_name, "dataset": one.payload_file, "load": one.load, "reason": one.error}
        for one in failed
    )


def costs_table(costs: pd.DataFrame) -> pd.DataFrame:
    """What each experiment cost: while it was measured, and from in service to deleted, as it will be billed."""
    return _frame(
        {
            "experiment": str(row["experiment_name"]),
            "instance": text(row, "instance_type") or MISSING,
            "count": plain(row["instance_count"] or 1),
            "measuring": duration(row["duration_in_seconds"]),
            "cost of measuring (USD)": amount(row["cost_measuring"]),
            "in service": duration(row["billed_seconds"]),
            "cost billed (USD)": amount(row["cost_billed"]),
            "note": text(row, "note") or MISSING,
        }
        for row in rows_of(costs)
    )


def recommendations_table(recommendations: pd.DataFrame) -> pd.DataFrame:
    """For each payload file and instance type the level to run, in words."""
    return _frame(
        {
            "dataset": str(row["payload_file"]),
            "instance type": text(row, "instance_type") or MISSING,
            "recommendation": str(row["recommendation"]),
        }
        for row in rows_of(recommendations)
    )


def quality_table(summary: pd.DataFrame) -> pd.DataFrame:
    """How each level was measured: what the client did, what the times and the token counts come from, the verdict."""
    return _frame(
        {
            **_level(row),
            "verdict": str(row["verdict"]),
            "client lag p99": _lag(row["client_lag_p99"]),
            "schedule lag p99": _lag(row["schedule_lag_p99"]),
            "client CPU": percent(row["client_cpu_max"]),
            "in flight": significant(row["mean_in_flight"]),
            "window": seconds(row["window_s"]),
            "ended by": text(row, "stop_reason") or MISSING,
            "stamps": text(row, "stamp_source") or MISSING,
            "tokens from": text(row, "token_source") or MISSING,
            "prompt reuse": (text(row, "prompt_reuse") or MISSING).replace("_", " "),
        }
        for row in in_order(rows_of(summary))
    )


def prices_table(prices: Sequence[Price]) -> pd.DataFrame:
    """The prices that were used, what they come from, and whether anybody checked them."""
    rows = []
    for price in prices:
        origin = price.origin
        if isinstance(price, InstancePrice):
            said = f"{dollars(price.hourly)} per hour"
            if price.accelerators:
                each = dollars(price.accelerator_hourly)
                said += f", {each} for each of {several(price.accelerators, 'accelerator')}"
        else:
            cached = f", {dollars(price.cached_per_1k)} in from the cache" if price.cached_per_1k is not None else ""
            said = f"{dollars(price.input_per_1k)} in{cached}, {dollars(price.output_per_1k)} out, per 1,000 tokens"
        checked = "verified" if origin.verified else "unverified: an assumption until you have checked it"
        known = {
            "source": origin.source,
            "listed in": origin.listed_in,
            "date": origin.date,
            "region": origin.region,
        }
        origins = {name: value or MISSING for name, value in known.items()}
        rows.append({"for": price.key, "price": said, **origins, "standing": checked})
    return _frame(rows)


def standing_table(standing: Iterable[StandingEndpoint]) -> pd.DataFrame:
    """What was left standing, what it costs by the hour, and the command that ends it."""
    return _frame(
        {
            "experiment": one.experiment_name,
            "platform": one.platform,
            "instance": one.instance_type or MISSING,
            "where": one.where,
            "since (UTC)": moment(one.since),
            "USD per hour": amount(one.hourly),
            "end it with": one.command,
        }
        for one in standing
    )


def _lag(value: Any) -> str:
    """A delay of the client's own, always in milliseconds: two digits are more than it is known to."""
    return MISSING if value is None else f"{significant(1000 * value, 2)} ms"


def _level(row: Row) -> dict[str, str]:
    """The cells that name a level."""
    return {
        "experiment": str(row.get("experiment_name")),
        "dataset": dataset_name(text(row, "payload_file")),
        "load": load_label(row),
    }


def _estimate(row: Row, column: str) -> str:
    return estimate(number(row, column), number(row, f"{column}_low"), number(row, f"{column}_high"))


def _frame(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))
