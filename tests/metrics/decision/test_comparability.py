"""Levels whose outputs are not of the same length."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.decision.comparability import cut_answer_findings, output_length_findings, slower_findings
from fmbench_lib.metrics.tables import summary_frame


def summary(*means, spread=5.0, n=100, experiments=None):
    return pd.DataFrame(
        {
            "experiment_name": experiments or ["exp"] * len(means),
            "payload_file": "p",
            "completion_token_count_mean": means,
            "completion_token_count_std": spread,
            "completion_token_n": n,
        }
    )


def test_a_level_off_the_others_is_named():
    findings = output_length_findings(summary(50.0, 51.0, 30.0, 49.0))
    assert list(findings) == [2]
    assert findings[2].verdict == "degraded"
    assert "outputs of 30 tokens on average, 49.5 at the other levels" in findings[2].reason


def test_what_chance_may_do_is_no_finding():
    assert not output_length_findings(summary(50.0, 51.0, 40.0, spread=20.0, n=20))
    assert not output_length_findings(summary(50.0, 51.0, 53.0, spread=0.1))
    assert not output_length_findings(summary(50.0))
    assert not output_length_findings(summary(50.0, None, None))


def loads(**columns):
    n = len(next(iter(columns.values())))
    base = {"experiment_name": "exp", "payload_file": "p", "request_rate": None, "concurrency": None}
    return pd.DataFrame({**{name: [value] * n for name, value in base.items()}, **columns})


def test_a_lower_load_that_was_slower_than_a_higher_one_is_named():
    found = slower_findings(
        loads(
            concurrency=[1, 2, 4],
            latency_p95=[1.4, 13.4, 5.4],
            latency_p95_low=[1.3, 9.0, 5.0],
            latency_p95_high=[1.5, 15.0, 5.9],
        )
    )
    assert list(found) == [1]
    assert found[1].reason == (
        "latency p95 of 13.4 s is above the 5.4 s at concurrency 4, a higher load, so something else slowed it: "
        "measure again"
    )


def test_intervals_that_overlap_are_no_finding_and_without_them_it_takes_twice_the_time():
    known = {"latency_p95_low": [4.0, 5.0], "latency_p95_high": [13.0, 6.0]}
    assert not slower_findings(loads(request_rate=[1.0, 2.0], latency_p95=[11.0, 5.4], **known))
    without = {"latency_p95_low": [None, 5.0], "latency_p95_high": [None, 6.0]}
    assert list(slower_findings(loads(request_rate=[1.0, 2.0], latency_p95=[11.0, 5.4], **without))) == [0]
    assert not slower_findings(loads(request_rate=[1.0, 2.0], latency_p95=[10.7, 5.4], **without))


def test_only_loads_of_one_kind_and_experiment_are_compared_and_none_that_failed_fast():
    times = {"latency_p95": [11.0, 1.0]}
    assert slower_findings(loads(concurrency=[1, 2], **times))
    assert not slower_findings(loads(concurrency=[2, 1], **times))
    assert not slower_findings(loads(concurrency=[1, None], request_rate=[None, 2.0], **times))
    assert not slower_findings(loads(concurrency=[1, 2], experiment_name=["a", "b"], **times))
    assert not slower_findings(loads(concurrency=[1, 2], error_rate=[0.0, 0.3], **times))


def test_a_level_whose_limit_cut_more_answers_off_is_named():
    found = cut_answer_findings(
        loads(experiment_name=["a", "a", "b"], length_share=[0.02, 0.2, 0.63], finish_reason_n=[100, 100, 100])
    )
    assert list(found) == [2]
    assert found[2].verdict == "degraded"
    assert "63% of its answers were cut off at their limit of tokens, 2% elsewhere" in found[2].reason


def test_limits_that_cut_all_alike_or_by_chance_are_no_finding():
    assert not cut_answer_findings(loads(length_share=[1.0, 1.0], finish_reason_n=[50, 50]))
    # 0.25 of 8 and 0.6 of 10: 3 standard errors are 0.66
    assert not cut_answer_findings(loads(length_share=[0.25, 0.6], finish_reason_n=[8, 10]))
    assert not cut_answer_findings(loads(length_share=[0.9, None], finish_reason_n=[50, 0]))
    assert not cut_answer_findings(loads(payload_file=["p", "q"], length_share=[0.0, 1.0], finish_reason_n=[50, 50]))


def test_all_findings_on_a_level_are_told(steady, facts):
    """Slower than a higher load, cut off where that was not, and of another length."""
    low = (steady(100, latency=1.0, finish_reason="length", completion_tokens=40.0), facts())
    high = (steady(100, latency=0.2), facts(seconds=20, load="concurrency-2", concurrency=2))
    higher = (steady(100, latency=0.2), facts(seconds=20, load="concurrency-4", concurrency=4))
    summary = summary_frame([low, high, higher])
    reasons = summary["verdict_reasons"][0]
    for words in ("outputs of 40 tokens", "100% of its answers were cut off", "is above the 200 ms at concurrency 2"):
        assert words in reasons
    assert summary["verdict"][0] == "degraded"
