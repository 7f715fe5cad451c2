"""Throughput: what the endpoint completed inside the window, per second. See `tokens` for how tokens are counted."""

from __future__ import annotations

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.tokens import mean_of_known
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats
from fmbench_lib.metrics.requests import Floats
from fmbench_lib.metrics.window import completed_in

THROUGHPUT = (
    Column("prompt_token_count_mean", "tokens", "number", "mean prompt tokens of the successes"),
    Column("prompt_token_throughput", "tokens/s", "number", "prompt tokens of the completions in the window"),
    Column("completion_token_count_mean", "tokens", "number", "mean completion tokens of the successes"),
    Column("completion_token_throughput", "tokens/s", "number", "completion tokens of the completions in the window"),
    Column("transactions_per_second", "1/s", "number", "`completions_in_window / window_s`"),
    Column("transactions_per_minute", "1/min", "number", "`60 · completions_in_window / window_s`"),
)


def throughput(sample: LevelSample) -> Cells:
    """The columns `THROUGHPUT`. Rates are NaN without a window; a level that completed nothing has 0 transactions."""
    row: Cells = {
        "prompt_token_count_mean": mean_of_known(floats(sample.successes, "prompt_tokens")),
        "completion_token_count_mean": mean_of_known(floats(sample.successes, "completion_tokens")),
        "transactions_per_second": NAN,
        "transactions_per_minute": NAN,
        "prompt_token_throughput": NAN,
        "completion_token_throughput": NAN,
    }
    if sample.window is None:
        return row
    completed, seconds = sample.requests[completed_in(sample.requests, sample.window)], sample.window.seconds
    row["transactions_per_second"] = len(completed) / seconds
    row["transactions_per_minute"] = 60 * len(completed) / seconds
    row["prompt_token_throughput"] = _token_rate(floats(completed, "prompt_tokens"), seconds)
    row["completion_token_throughput"] = _token_rate(floats(completed, "completion_tokens"), seconds)
    return row


def _token_rate(tokens: Floats, seconds: float) -> float:
    """Tokens per second. NaN if a single count is unknown, as the sum of the others would understate it, and NaN
    without a completion, as tokens of failed requests are not counted."""
    return float(tokens.sum()) / seconds if tokens.size and not np.isnan(tokens).any() else NAN
