"""Runs made up for the tests: records drawn from a small model of a server, then the real metrics over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.costs import experiment_costs
from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import decide
from fmbench_lib.metrics.decision.recommend import recommendations
from fmbench_lib.metrics.level_sample import LevelData
from fmbench_lib.metrics.repeated_levels import once_each, repeated_frame
from fmbench_lib.metrics.request_table import requests_frame
from fmbench_lib.metrics.tables import summary_frame
from fmbench_lib.pricing.price_list import InstancePrice, Origin, PriceList
from fmbench_lib.report.report_data import ReportInputs, RunFacts

START = 1_790_000_000.0


def simulated_level(
    experiment: str = "smollm2-llama.cpp",
    payload_file: str = "payload_en_1-500.jsonl",
    concurrency: int | None = 1,
    rate: float | None = None,
    *,
    n: int = 90,
    base: float = 0.4,
    slots: int = 4,
    tokens: tuple[int, int] = (50, 500),
    streamed: bool = True,
    errors: dict[str, int] | None = None,
    instance_type: str | None = "m7i.xlarge",
    instance_count: int | None = 1,
    seed: int = 1,
    **facts: Any,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Records and facts of a level whose latency grows once more than `slots` requests are in flight."""
    load = f"concurrency-{concurrency}" if rate is None else f"rate-{rate:g}"
    draw = np.random.default_rng([seed, n, concurrency or 0, int((rate or 0) * 10)])
    prompt_tokens = draw.integers(*tokens, n)
    crowd = max(1.0, (concurrency or max(1.0, (rate or 0) * base)) / slots)
    first = base * crowd * (0.25 + 0.75 * prompt_tokens / tokens[1]) * draw.lognormal(0, 0.12, n)
    gaps = [base * 0.03 * (1 + 0.2 * (crowd - 1)) * draw.lognormal(0, 0.3, 15) for _ in range(n)]
    lasting = np.array([start + gap.sum() for start, gap in zip(first, gaps, strict=True)])
    due = _due(lasting, concurrency, rate)
    classes = [name for name, count in (errors or {}).items() for _ in range(count)]
    failing = dict(zip(draw.permutation(n)[: len(classes)], classes, strict=True))
    rows = []
    for place in range(n):
        failed = failing.get(place)
        times = START + due[place] + np.concatenate(([first[place]], first[place] + np.cumsum(gaps[place])))
        ends = START + due[place] + lasting[place]
        rows.append(
            {
                "request_id": f"{experiment}-{load}-{place}",
                "experiment_name": experiment,
                "payload_file": payload_file,
                "load": load,
                "phase": "measured",
                "prompt_id": f"p{place}",
                "due": START + due[place],
                "connect_s": 0.0,
                "reused": True,
                "retried": 0,
                "sent": START + due[place] + 2e-5,
                "first": None if failed else times[0],
                "first_answer": None if failed else times[0],
                "last": None if failed else ends,
                "end": ends,
                "event_times": None if failed or not streamed else times,
                "stamp_source": "kernel",
                "client_lag": 1e-4,
                "schedule_lag": 2e-5,
                "streamed": streamed,
                "prompt_tokens": prompt_tokens[place],
                "completion_tokens": None if failed else 16,
                "cached_tokens": 0,
                "token_source": "server",
                "error": failed,
                "error_message": f"{failed} <b>happened</b> | here" if failed else None,
                "completion": None if failed else "some <script>alert(1)</script> text",
            }
        )
    whole = {
        "experiment_name": experiment,
        "payload_file": payload_file,
        "load": load,
        "concurrency": concurrency if rate is None else None,
        "request_rate": rate,
        "instance_type": instance_type,
        "instance_count": instance_count,
        "window_start": START,
        "window_end": START + float(due.max()) + 0.01,
        "started": START - 5,
        "ended": START + float((due + lasting).max()),
        "stop_reason": "requests",
        "requested": n,
        "workers": 1,
        "client_cpu": [0.07],
        "prompt_reuse": "never",
        "tokenizer": "smollm2-135m-instruct",
        "seed": 1,
        "timeout": 120.0,
        "stamp_source": "kernel",
        "clock_step_s": 0.0,
    }
    return pd.DataFrame(rows), whole | facts


def _due(lasting: np.ndarray, concurrency: int | None, rate: float | None) -> np.ndarray:
    """Closed loop: each slot takes up its next request as the one before it ends. Open loop: at equal distances."""
    if rate is not None:
        return np.arange(len(lasting)) / rate
    free = np.zeros(concurrency or 1)
    due = np.empty(len(lasting))
    for place, length in enumerate(lasting):
        slot = int(free.argmin())
        due[place] = free[slot]
        free[slot] += length
    return due


PRICES = PriceList(
    {
        "m7i.xlarge": InstancePrice(
            "m7i.xlarge", 0.2016, Origin("an assumption of this test", "2026-11-01", "us-east-1")
        ),
        "g5.2xlarge": InstancePrice(
            "g5.2xlarge", 1.212, Origin("price list", "2026-11-01", "us-east-1", verified=True)
        ),
    }
)


def inputs_of(levels: Sequence[LevelData], budgets: Budgets | None = None, **more: Any) -> ReportInputs:
    """Everything that a report is made of, from simulated levels; `more` replaces single parts of it."""
    summary = summary_frame(levels, PRICES)
    repeated = repeated_frame(levels, summary, PRICES)
    decided = once_each(summary, repeated)
    decision = decide(decided, budgets or Budgets(), more.pop("dataset", None))
    types = [str(name) for name in summary["instance_type"].dropna().unique()]
    endpoints = [
        {"experiment_name": name, "in_service_at": START - 60, "deleted_at": START + 600, "seconds_in_service": 660.0}
        for name in summary["experiment_name"].unique()
    ]
    run = RunFacts(
        run_id="20260930-191203Z",
        name="smollm2-quickstart",
        model_name="SmolLM2-135M-Instruct",
        fmbench_version="3.0.0",
        written_at=START + 700,
        started_at=START - 70,
        ended_at=START + 650,
        seed=1,
        config_hash="5f0c2a9d",
        config_file="quickstart.yml",
        host={"host": "a machine", "cpu": "2 cores"},
        versions={"Python": "3.11.13", "pandas": "3.1.1"},
        source_data_files=("topics.jsonl",),
    )
    parts = {
        "run": run,
        "summary": summary,
        "repeated": repeated,
        "requests": requests_frame(levels),
        "decision": decision,
        "recommendations": recommendations(decided, decision.budgets),
        "costs": experiment_costs(summary, endpoints, PRICES),
        "prices": [price for name in types if (price := PRICES.lookup(name))],
        "config_yaml": "general:\n  name: smollm2-quickstart\n",
    }
    return ReportInputs(**(parts | more))


@pytest.fixture(scope="session")
def simulate() -> Callable[..., LevelData]:
    """Makes the records and facts of one level."""
    return simulated_level


@pytest.fixture(scope="session")
def build() -> Callable[..., ReportInputs]:
    """Makes the inputs of a report from levels."""
    return inputs_of


@pytest.fixture(scope="session")
def quickstart() -> ReportInputs:
    """A run as the quickstart makes it: one experiment, two payload files, three loads each."""
    levels = [
        simulated_level(payload_file=f"payload_en_{low}-{high}.jsonl", concurrency=c, tokens=(low, high), n=80)
        for low, high in ((1, 300), (300, 500))
        for c in (1, 4, 12)
    ]
    return inputs_of(levels, Budgets(latency_budget=1.0, cost_per_10k_txn_budget=5.0, error_rate_budget=0.0))
