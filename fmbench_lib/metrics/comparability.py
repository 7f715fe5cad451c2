"""Whether levels may be compared at all: latency and price per transaction follow the length of the output."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import number, rows_of
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.metrics.verdict import Finding


def output_length_findings(summary: pd.DataFrame, thresholds: Thresholds | None = None) -> dict[Hashable, Finding]:
    """The levels (by the frame's index) whose outputs are not as long as those of the same experiment's other levels.

    A level differs when the mean of its completion tokens is off the median of the levels of the same experiment and
    payload file by more than `length_change`, and by more than chance: `length_sigmas` standard errors.
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
                reason = f"outputs of {mean:.3g} tokens in the mean, {middle:.3g} at the other levels"
                findings[index] = Finding("degraded", f"{reason}: fix the output length before comparing them")
    return findings


def output_length_notes(summary: pd.DataFrame, thresholds: Thresholds | None = None) -> tuple[str, ...]:
    """A sentence per payload file whose experiments answer at lengths that differ by more than `length_change`.

    Models may differ in that honestly; but a price per transaction then compares different transactions, and the price
    per token is the fairer figure.
    """
    limits = thresholds or Thresholds()
    notes = []
    for payload_file, group in summary.groupby("payload_file", sort=False):
        means = group.groupby("experiment_name", sort=False)["completion_token_count_mean"].median().dropna()
        if len(means) < 2 or means.max() <= (1 + limits.length_change) * means.min():
            continue
        lengths = ", ".join(f"{name} {value:.3g}" for name, value in means.items())
        notes.append(
            f"{payload_file}: the experiments answer at different lengths ({lengths} tokens in the mean), so compare "
            "prices per token rather than per transaction."
        )
    return tuple(notes)
