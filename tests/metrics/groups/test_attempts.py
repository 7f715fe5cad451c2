"""What is said of prompts that were to be new and had been sent before, and of copies that fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmbench_lib.metrics.groups.attempts import sent_before
from fmbench_lib.metrics.measuring_again import command_again, last_attempts
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.metrics.verdict import verdict

EARLIER = {"earlier_run": "mine/then", "earlier_run_at": 0.0, "earlier_prompts": 12, "earlier_ttft_p50": 0.117}
SENT = "run mine/then sent 12 of these prompts to this endpoint on 1970-01-01 00:00 UTC"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"resent_prompts": 0}, []),
        ({"resent_prompts": 3, "requests": 20}, [("degraded", "3 prompts had been sent to the endpoint before")]),
        ({"TTFT_p50": 0.005, **EARLIER}, [("degraded", f"{SENT}, where TTFT p50 was 117 ms and is now 5 ms")]),
        ({"TTFT_p50": 0.110, **EARLIER}, []),
        ({**EARLIER}, [("valid", f"{SENT}, and nothing tells")]),
        ({"TTFT_p50": 0.005, **EARLIER, "earlier_ttft_p50": None}, [("valid", f"{SENT}, and nothing tells")]),
        ({"TTFT_p50": 0.005, **EARLIER, "cached_token_count_mean": 0.0}, []),  # the server says that it was cold
        ({"TTFT_p50": 0.005, **EARLIER, "resent_prompts": 3, "prompt_reuse": "allowed"}, []),
    ],
)
def test_each_case(change: dict[str, Any], found: list[tuple[str, str]]) -> None:
    findings = list(sent_before({"prompt_reuse": "never", **change}, Thresholds()))
    assert [finding.verdict for finding in findings] == [verdict for verdict, _ in found]
    assert all(finding.reason.startswith(start) for finding, (_, start) in zip(findings, found, strict=True))


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"a": (90, 2), "b": (10, 5)}, "the copy b failed 5 of its 10 requests, of 100 in all"),
        ({"a": (50, 2), "b": (50, 24)}, None),
        ({"a": (50, 50), "b": (50, 50)}, None),  # all have failed: that is said already
    ],
)
def test_a_copy_that_fails_is_named(counts: dict[str, tuple[int, int]], said: str | None) -> None:
    by_copy = {name: {"requests": requests, "failures": failures} for name, (requests, failures) in counts.items()}
    reasons = "; ".join(verdict({"requests_by_copy": json.dumps(by_copy)}).reasons)
    assert ("the copy" in reasons) is (said is not None)
    assert said is None or said in reasons


def test_the_last_attempt_at_each_level_counts() -> None:
    level = {"experiment_name": "an experiment", "payload_file": "p.jsonl", "load": "rate-0.5"}
    rows = [{**level, "attempt": 1}, {**level, "attempt": 3}, {**level, "load": "rate-1", "attempt": None}]
    assert last_attempts(rows) == [False, True, True]
    assert command_again(level) == "fmbench --resume RUN_DIR --remeasure 'an experiment/p/rate-0.5'"
    assert command_again(level, "/a b") == "fmbench --resume '/a b' --remeasure 'an experiment/p/rate-0.5'"
