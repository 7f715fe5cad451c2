"""Whether levels can be compared: in the length of their outputs, in how those ended, and in what slowed them.

Latency and price per transaction depend on the length of the output. What makes a lower load slower than a higher one
is not the load.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np
import pandas as pd

from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.finding import Finding, in_seconds
from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.metrics.thresholds import Thresholds


def comparison_findings(summary: pd.DataFrame, thresholds: Thresholds | None = None) -> dict[Hashable, list[Finding]]:
    """All findings on levels beside the others, by the frame's index."""
    found: dict[Hashable, list[Finding]] = {}
    for findings in (output_length_findings, cut_answer_findings, slower_findings):
        for index, finding in findings(summary, thresholds).items():
            found.setdefault(index, []).append(finding)
    return found


def output_length_findings(summary: pd.DataFrame, thresholds: Thresholds | None = None) -> dict[Hashable, Finding]:
    """Findings by the frame's index: the levels whose outputs differ in length from the experiment's other levels.

    A level differs when its mean of completion tokens is off the median over the levels of the same experiment and
    payload file by more than `length_change`, and by more than `length_sigmas` standard errors.
    """
    limits = thresholds or Thresholds()
    findings: dict[Hashable, Finding] = {}
    for _, group in summary.groupby(["experiment_name", "payload_file"], sort=False, dropna=False):
        means = group["completion_token_count_mean"].dropna()
        if len(means) < 2:
            continue
        middle = float(np.median(means))
        for index, row in zip(group.index, rows_of(group), strict=True):
            mean, spread = number(row, "completion_token_count_mean"), number(row, "completion_token_count_std")
            known = number(row, "completion_token_n")
            if mean is None or spread is None or not known:
                continue
            chance = limits.length_sigmas * spread / math.sqrt(known)
            if abs(mean - middle) > max(limits.length_change * middle, chance):
                reason = f"outputs of {mean:.3g} tokens on average, {middle:.3g} at the other levels"
                findings[index] = Finding("degraded", f"{reason}: fix the output length before comparing them")
    return findings


def cut_answer_findings(summary: pd.DataFrame, thresholds: Thresholds | None = None) -> dict[Hashable, Finding]:
    """The levels of a payload file, of any experiment, whose limit of tokens ended more answers than at another level.

    More by `cut_share`, and by more than `length_sigmas` standard errors of the difference.
    """
    limits = thresholds or Thresholds()
    findings: dict[Hashable, Finding] = {}
    for _, group in summary.groupby("payload_file", sort=False, dropna=False):
        known = [(index, row) for index, row in zip(group.index, rows_of(group), strict=True) if _cut(row) is not None]
        if len(known) < 2:
            continue
        _, least = min(known, key=lambda each: _cut(each[1]) or 0.0)
        for index, row in known:
            share, other = _cut(row) or 0.0, _cut(least) or 0.0
            chance = limits.length_sigmas * math.sqrt(_variance(row, share) + _variance(least, other))
            if share - other > max(limits.cut_share, chance):
                reason = f"{share:.0%} of its answers were cut off at their limit of tokens, {other:.0%} elsewhere"
                findings[index] = Finding("degraded", f"{reason}: set one limit, or fix the output length")
    return findings


def slower_findings(summary: pd.DataFrame, thresholds: Thresholds | None = None) -> dict[Hashable, Finding]:
    """The levels that were slower than a higher load of the same experiment and payload file, in latency p95.

    Where both have an interval, the lower load's begins above the end of the other's; else its estimate is more than
    `slower_factor` times the other's.
    """
    limits = thresholds or Thresholds()
    findings: dict[Hashable, Finding] = {}
    for _, group in summary.groupby(["experiment_name", "payload_file"], sort=False, dropna=False):
        rows = list(zip(group.index, rows_of(group), strict=True))
        for index, row in rows:
            above = [other for _, other in rows if _is_higher(other, row) and _is_slower(row, other, limits)]
            if not above:
                continue
            fastest = min(above, key=lambda other: number(other, "latency_p95") or 0.0)
            here, there = (number(each, "latency_p95") or 0.0 for each in (row, fastest))
            reason = f"latency p95 of {in_seconds(here)} is above the {in_seconds(there)} at {load_label(fastest)}"
            reason = f"{reason}, a higher load, so something else slowed it"
            findings[index] = Finding("degraded", f"{reason}: measure again")
    return findings


def _cut(row: Row) -> float | None:
    return number(row, "length_share") if number(row, "finish_reason_n") else None


def _variance(row: Row, share: float) -> float:
    return share * (1 - share) / (number(row, "finish_reason_n") or 1)


def _is_higher(row: Row, than: Row) -> bool:
    """Whether one load is higher than another of its kind."""
    for name in ("concurrency", "request_rate"):
        one, other = number(row, name), number(than, name)
        if one is not None and other is not None:
            return one > other
    return False


def _is_slower(row: Row, than: Row, limits: Thresholds) -> bool:
    """Whether a level was slower than another, which did not get fast by failing."""
    if (number(than, "error_rate") or 0.0) > limits.errors_degraded:
        return False
    value, other = number(row, "latency_p95"), number(than, "latency_p95")
    if value is None or other is None:
        return False
    low, high = number(row, "latency_p95_low"), number(than, "latency_p95_high")
    return value > limits.slower_factor * other if low is None or high is None else low > high
