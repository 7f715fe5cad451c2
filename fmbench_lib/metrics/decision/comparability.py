"""Whether levels can be compared: latency and price per transaction depend on the length of the output."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np
import pandas as pd

from fmbench_lib.metrics.finding import Finding
from fmbench_lib.metrics.missing import number, rows_of
from fmbench_lib.metrics.thresholds import Thresholds


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
