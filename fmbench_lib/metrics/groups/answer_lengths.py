"""How long the answers were and how they ended, and how much of the prompts came from the server's cache."""

from __future__ import annotations

from collections import Counter

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats, or_nan, tallies
from fmbench_lib.metrics.rows import Frame
from fmbench_lib.metrics.statistics.percentiles import percentile

AT_THE_LIMIT = frozenset(
    {"length", "max_tokens", "limit", "max_length", "model_length", "model_context_window_exceeded"}
    | {"max_new_tokens", "max_output_tokens", "max_completion_tokens", "max_tokens_reached", "token_limit"}
    | {"length_limit", "context_length"}
)
"""What servers call an answer that was ended by its limit of tokens, in lower case; enumerations give it after a dot:
`FinishReason.LENGTH`."""

ANSWER_LENGTHS = (
    Column("completion_token_count_p5", "tokens", "number", "p5 of the completion tokens of the successes"),
    Column("completion_token_count_p95", "tokens", "number", "p95 of the completion tokens of the successes"),
    Column("completion_token_count_cv", "", "number", "their standard deviation over their mean"),
    Column(
        "length_share",
        "share",
        "number",
        "successes that their limit of tokens ended (`finish_reason` `length`), of those that say how they ended",
    ),
    Column("finish_reason_n", "", "whole number", "successes that say how they ended"),
    Column(
        "cached_token_share",
        "share",
        "number",
        "prompt tokens that the server took from its cache, of all prompt tokens of the successes; empty where it "
        "never reports them",
    ),
)


def answer_lengths(sample: LevelSample) -> Cells:
    """The columns `ANSWER_LENGTHS`."""
    tokens = floats(sample.successes, "completion_tokens")
    known = tokens[~np.isnan(tokens)]
    mean = float(known.mean()) if known.size else 0.0
    reasons = _reasons(sample.successes)
    return {
        "completion_token_count_p5": or_nan(percentile(known, 0.05)),
        "completion_token_count_p95": or_nan(percentile(known, 0.95)),
        "completion_token_count_cv": float(known.std(ddof=1)) / mean if known.size > 1 and mean > 0 else NAN,
        "length_share": _at_the_limit(reasons) / reasons.total() if reasons else NAN,
        "finish_reason_n": reasons.total(),
        "cached_token_share": _cached_share(sample.successes),
    }


def _reasons(successes: Frame) -> Counter[str]:
    """How the answers ended that say so, and how many of them."""
    return Counter(tallies(successes["finish_reason"]) if "finish_reason" in successes else {})


def _at_the_limit(reasons: Counter[str]) -> int:
    return sum(count for reason, count in reasons.items() if reason.lower().split(".")[-1] in AT_THE_LIMIT)


def _cached_share(successes: Frame) -> float:
    """Who is silent about cached tokens beside others that report them had none."""
    cached, prompt = floats(successes, "cached_tokens"), floats(successes, "prompt_tokens")
    if np.isnan(cached).all() or np.isnan(prompt).any() or not prompt.sum() > 0:
        return NAN
    return float(np.nansum(cached) / prompt.sum())
