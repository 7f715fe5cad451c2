"""Titles of pictures claim what intervals and tests bear out, and no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.report.figures.findings import (
    drift_finding,
    errors_finding,
    growth_finding,
    latency_finding,
    lengths_finding,
    price_finding,
    spread_finding,
    tail_finding,
)


def level(name: str, concurrency: int, p95: float, rate: float, **more: Any) -> dict[str, Any]:
    """A level with its p95 (s), its requests/s, and the interval of each if `more` has none."""
    ends = {"latency_p95_low": 0.9 * p95, "latency_p95_high": 1.1 * p95}
    ends |= {"transactions_per_minute_low": 57 * rate, "transactions_per_minute_high": 63 * rate}
    known = {"experiment_name": name, "payload_file": "a.jsonl", "concurrency": concurrency, "request_rate": None}
    figures = {"latency_p95": p95, "latency_p50": p95 / 2, "transactions_per_minute": 60 * rate, "verdict": "valid"}
    return known | figures | ends | more


def test_a_ratio_of_requests_needs_intervals_that_are_apart() -> None:
    slow, fast = level("vLLM", 4, 0.8, 10), level("SGLang", 4, 0.8, 21)
    assert latency_finding([slow, fast], 1.0) == "SGLang serves 2.1× the requests of vLLM within 1 s"
    near = level("SGLang", 4, 0.8, 10.5)
    assert latency_finding([slow, near], 1.0) == (
        "With latency p95 within 1 s: SGLang 10.5 requests/s, vLLM 10.0; the difference is not certain"
    )
    unknown = fast | {"transactions_per_minute_low": None, "transactions_per_minute_high": None}
    assert latency_finding([slow, unknown], 1.0).endswith("vLLM 10.0; too few requests for intervals")
    guessed = fast | {"latency_p95_low": None, "latency_p95_high": None}
    assert latency_finding([slow, guessed], 1.0) == "SGLang seems to serve 2.1× the requests of vLLM within 1 s"


def test_a_level_whose_interval_reaches_over_the_budget_is_not_within_it() -> None:
    doubtful, sure = level("a", 8, 0.95, 20), level("a", 4, 0.5, 10)
    assert latency_finding([sure, doubtful], 1.0) == "a keeps latency p95 within 1 s: 10.0 requests/s at concurrency 4"
    assert latency_finding([doubtful], 1.0) == "No level keeps latency p95 within 1 s"
    without = sure | {"latency_p95_low": None, "latency_p95_high": None}
    assert latency_finding([without], 1.0).startswith("a seems to keep latency p95 within 1 s: ")
    assert latency_finding([sure | {"verdict": "invalid"}], 1.0) == "No level keeps latency p95 within 1 s"


def test_growth_is_said_only_where_intervals_are_apart() -> None:
    low, high = level("a", 1, 0.2, 5), level("a", 16, 1.0, 9)
    assert growth_finding([low, high], "latency") == (
        "latency p95 of a grows from 0.200 s at concurrency 1 to 1.00 s at concurrency 16"
    )
    unknown = high | {"latency_p95_low": None}
    assert growth_finding([low, unknown], "latency") == (
        "latency p95 of a: 0.200 s at concurrency 1, 1.00 s at concurrency 16"
    )
    assert latency_finding([low], None) == "latency p95 of a: 0.200 s at concurrency 1"
    assert growth_finding([], "TTFT") == "No level has a TTFT"


def test_of_several_experiments_the_ends_at_the_highest_common_load_are_said() -> None:
    fast, slow = level("a", 4, 0.2, 5, TTFT_p95=0.1), level("b", 4, 0.9, 5, TTFT_p95=0.4)
    alone = level("a", 16, 2.0, 5, TTFT_p95=1.5)
    assert spread_finding([fast, alone, slow], "TTFT") == "TTFT p95 at concurrency 4: from 0.100 s (a) to 0.400 s (b)"
    assert spread_finding([fast, slow | {"verdict": "invalid"}], "TTFT") == "TTFT p95 of a: 0.100 s at concurrency 4"
    apart = spread_finding([alone, slow], "TTFT")
    assert apart.startswith("TTFT p95 of "), "without a common load nothing is compared"


def test_drift_that_chance_alone_would_show_is_none() -> None:
    """Of 20 steady levels one has p below 0.05."""
    levels = [level(f"e{i}", 1, 1, 1, latency_drift=0.2, latency_drift_p=(i + 0.5) / 20) for i in range(20)]
    assert drift_finding(levels) == "No sign of latency drift at 20 levels"


def requests(latency: Any, tokens: Any) -> pd.DataFrame:
    known = {"experiment_name": "a", "payload_file": "a.jsonl", "load": "concurrency-1"}
    return pd.DataFrame({"latency": latency, "prompt_token_count": tokens}).assign(
        **known, in_window=True, success=True
    )


def test_longer_prompts_take_longer_only_where_a_test_shows_it() -> None:
    tokens = np.arange(1, 41)
    assert lengths_finding(requests(tokens / 10, tokens)) == "Longer prompts take longer"
    twice = pd.concat([requests(tokens / 10, tokens), requests(tokens / 5, tokens).assign(load="concurrency-2")])
    assert lengths_finding(twice) == "Longer prompts take longer at all 2 levels"
    noise = np.tile([1.0, 1.4, 0.8, 1.2], 10)
    assert lengths_finding(requests(noise, tokens)).startswith("No level shows that longer prompts take longer")
    assert lengths_finding(requests(41 - tokens, tokens)).startswith("No level shows"), "they take less"
    assert lengths_finding(requests([1.0] * 5, range(5))).startswith("Too few requests")


def test_drift_is_that_of_the_verdict_s_test() -> None:
    steady, rising = level("a", 1, 1, 1, latency_drift=0.5, latency_drift_p=0.2), level("b", 1, 1, 1)
    rising |= {"latency_drift": 0.3, "latency_drift_p": 0.001}
    assert drift_finding([steady]) == "No sign of latency drift at 1 level"
    assert drift_finding([steady, rising]) == (
        "Latency drifted at 1 of 2 levels; most at b, a, concurrency 1: it rose by 30%"
    )
    assert drift_finding([rising]) == "Latency rose by 30% at b, a, concurrency 1"
    assert drift_finding([level("a", 1, 1, 1)]) == "Too few requests to tell whether latency drifted"


def test_tails_and_errors() -> None:
    assert tail_finding([level("a", 1, 1.0, 1)]) == "Latency p95 is 2.0 times the median of its level"
    failing = level("a", 1, 1, 1, error_rate=0.25, errors_by_class='{"timeout": 4, "http_5xx": 1}')
    assert errors_finding([failing], 3) == (
        "1 of 3 levels had errors: up to 25% of requests at a, concurrency 1, mainly timeout"
    )


@pytest.mark.parametrize(("base", "words"), [(1.6, "; b costs 4.0×"), (0.48, "; b costs 20% more")])
def test_the_price_says_how_far_the_next_lies_behind(base: float, words: str, build: Any, simulate: Any) -> None:
    levels = [simulate("a", n=80, concurrency=4), simulate("b", n=80, concurrency=4, base=base)]
    said = price_finding(build(levels, Budgets(latency_budget=9)).decision)
    assert said.startswith("a seems cheapest: ")
    assert said.endswith(words) or "cannot be told apart" in said


def test_without_a_winner_the_nearest_is_named(build: Any, simulate: Any) -> None:
    said = price_finding(build([simulate("a", n=30)], Budgets(latency_budget=0.001)).decision)
    assert said == "No level meets every budget; a at concurrency 1 comes nearest"
    alone = price_finding(build([simulate("a", n=30)]).decision)
    assert alone.startswith("a: "), "one level is the cheapest of nothing"
    assert alone.endswith(" USD per 10,000 transactions at concurrency 1")
    assert price_finding(build([]).decision) == "No level was measured"
