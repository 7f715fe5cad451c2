"""Runs of any size from the tables of a recorded one: its level and its requests, slower or faster for each new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.costs import COST_COLUMNS
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.decision.recommend import recommendations
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.request_timelines import Timeline
from fmbench_lib.report.report_data import EndpointMetrics, ReportInputs, RunFacts

TABLES = Path(__file__).parents[1] / "data" / "recorded_run" / "metrics"
START = 1_790_000_000.0
REQUESTS = 40
_TIMES = ("latency", "TTFT", "TPOT", "ITL")


def made_run(
    experiments: Sequence[str] = ("vllm", "sglang", "tgi"),
    payloads: Sequence[str] = ("payload_en_1-300.jsonl", "payload_en_300-1000.jsonl"),
    loads: Sequence[float] = (1, 2, 4, 8, 16),
    **parts: Any,
) -> ReportInputs:
    """The inputs of a report on each combination; a load below 1 is a rate. `parts` replaces single ones of them."""
    template = rows_of(pd.read_csv(TABLES / "all_metrics_summary.csv").iloc[[0]])[0]
    sent = pd.read_csv(TABLES / "per_inference_request_results.csv")
    sent = sent[sent["experiment_name"] == "one"].head(REQUESTS)
    combinations = [(e, d, load) for e in experiments for d in payloads for load in loads]
    rows, requests = [], []
    for position, (experiment, payload, load) in enumerate(combinations):
        slower = (1 + 0.4 * experiments.index(experiment)) * (1 + 0.3 * payloads.index(payload)) * (1 + load / 20)
        rows.append(_level(template, experiment, payload, load, slower, START + 60 * position))
        requests.append(_requests(sent, experiment, payload, load, slower))
    summary = pd.DataFrame(rows)
    table = pd.concat(requests, ignore_index=True)
    budgets = Budgets(latency_budget=0.25, cost_per_10k_txn_budget=5.0, error_rate_budget=0.1)
    decision = decide(summary, budgets)
    made = ReportInputs(
        run=RunFacts(
            run_id="20260930-191203Z", name="made up", model_name="a model", fmbench_version="3.0.0",
            written_at=START, seed=1, config_hash="5f0c2a9d", config_file="made.yml",
        ),
        summary=summary,
        requests=table,
        decision=decision,
        recommendations=recommendations(summary, budgets),
        costs=pd.DataFrame(columns=list(COST_COLUMNS)),
        endpoint=_samples(summary),
        objectives=Objectives(ttft=0.1),
        timelines=_timelines(table),
        quality=_quality(summary),
        config_yaml="general:\n  name: made up\n",
    )  # fmt: skip
    return replace(made, **parts)


def load_name(load: float) -> str:
    """The name of a load, as levels have it."""
    return f"rate-{load:g}" if load < 1 else f"concurrency-{load:g}"


def _identity(experiment: str, payload: str, load: float) -> dict[str, Any]:
    loads = {"concurrency": None if load < 1 else load, "request_rate": load if load < 1 else None}
    return {"experiment_name": experiment, "payload_file": payload, "load": load_name(load), **loads}


def _level(
    template: dict[str, Any], experiment: str, payload: str, load: float, slower: float, start: float
) -> dict[str, Any]:
    row = {**template, **_identity(experiment, payload, load)}
    for column in (f"{family}_{q}" for family in _TIMES for q in ("p50", "p95", "p99")):
        row[column] *= slower
        row[f"{column}_low"], row[f"{column}_high"] = row[column] * 0.9, row[column] * 1.15
    faster = max(load, 1) / slower
    row["transactions_per_second"] *= faster
    for column in ("transactions_per_minute", "completion_token_throughput"):
        row[column] *= faster
        row[f"{column}_low"], row[f"{column}_high"] = row[column] * 0.95, row[column] * 1.05
    for column in ("price_per_txn", "price_per_token", "price_per_10k_txn"):
        row[column] /= faster
    row["price_per_10k_txn_low"], row["price_per_10k_txn_high"] = (row["price_per_10k_txn"] * by for by in (0.95, 1.05))
    failed, verdict = load >= 8, "invalid" if load >= 16 else "degraded" if load == 2 else "valid"
    return row | {
        "prompt_token_count_mean": 640 if "300-" in payload else 150,
        "goodput": row["transactions_per_second"] * 0.9,
        "slo_attainment": 0.9,
        "window_start": start,
        "window_end": start + 50,
        "errors": 3 if failed else 0,
        "error_rate": 0.1 if failed else 0.0,
        "errors_by_class": '{"http_429": 2, "timeout": 1}' if failed else "{}",
        "error_messages": '{"http_429": "too many requests", "timeout": "no answer"}' if failed else "{}",
        "verdict": verdict,
        "verdict_reasons": "" if verdict == "valid" else "30 successes are few: measure at least 72",
    }


def _requests(sent: pd.DataFrame, experiment: str, payload: str, load: float, slower: float) -> pd.DataFrame:
    ids = [f"{experiment[:20]}-{load_name(load)}-{place}" for place in range(len(sent))]
    times = {column: sent[column] * slower for column in ("latency", "TTFT", "TPOT")}
    return sent.assign(**_identity(experiment, payload, load), **times, request_id=ids)


def _samples(summary: pd.DataFrame) -> EndpointMetrics:
    rows = rows_of(summary)
    times = np.concatenate([np.arange(row["window_start"] - 2, row["window_end"] + 2) for row in rows])
    experiments = np.repeat([row["experiment_name"] for row in rows], len(times) // max(len(rows), 1))
    base = pd.DataFrame({"time": times, "experiment": experiments, "value": 50 + 10 * np.sin(times / 7), "unit": ""})
    samples = pd.concat(
        base.assign(source=source, metric=metric, labels=labels)
        for source, metric, labels in (
            ("host", "cpu_utilization", '{"machine": "endpoint"}'),
            ("vllm", "requests_running", ""),
            ("vllm", "requests_waiting", ""),
        )
    )
    keys = summary[["experiment_name", "payload_file", "load"]]
    figures = keys.assign(source="host", metric="cpu_utilization", labels="", n=50, mean=50.0)
    return EndpointMetrics(samples=samples, summary=figures, interval=1.0)


def _timelines(requests: pd.DataFrame) -> list[Timeline]:
    """The first three requests of each level, streamed event by event."""
    found = []
    for _, level in requests.groupby(["experiment_name", "payload_file", "load"], sort=False):
        for which, row in zip(("p50", "p95", "worst"), rows_of(level.iloc[:3]), strict=True):
            found.append(Timeline(which, row, np.linspace(row["first"], row["last"], 12)))
    return found


def _quality(summary: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            **{name: row[name] for name in ("experiment_name", "payload_file", "load", "concurrency", "request_rate")},
            "latency_p95": row["latency_p95"], "price_per_1k_answers": row["price_per_10k_txn"] / 10,
            "measure": "accuracy", "quality": 0.8, "quality_low": 0.7, "quality_high": 0.9, "quality_n": 100,
            "on_cost_front": position == 0, "on_latency_front": position == 0,
        }
        for position, row in enumerate(rows_of(summary))
    ]  # fmt: skip
    return pd.DataFrame(rows)
