"""Levels whose outputs are not of the same length."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.decision.comparability import output_length_findings


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
