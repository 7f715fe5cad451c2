"""Token counts: who counted, how they spread, and how many are billed."""

from __future__ import annotations

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats, tallies
from fmbench_lib.metrics.plausibility import both_sources
from fmbench_lib.metrics.rows import Frame, Rows
from fmbench_lib.metrics.statistics.arrays import Floats

SOURCE_MEANING = (
    "who counted: `server`, `tokenizer` or `words` (an estimate); where the sides differ, who counted each: "
    "`prompt:words+completion:server`"
)
TOKEN_COUNTS = (
    Column("token_source", "", "text", f"{SOURCE_MEANING}; several of one side are joined by `+`"),
    Column("prompt_token_source", "", "text", "who counted the prompts, joined by `+`"),
    Column("completion_token_source", "", "text", "who counted the completions, joined by `+`"),
    Column("prompt_token_n", "", "whole number", "successes whose prompt tokens are known"),
    Column("completion_token_n", "", "whole number", "successes whose completion tokens are known"),
    Column("completion_token_count_std", "tokens", "number", "standard deviation of the completion tokens"),
    Column(
        "cached_token_count_mean",
        "tokens",
        "number",
        "prompt tokens per success that the server took from its cache: 0 where a server that reports them is silent, "
        "empty where it never reports them",
    ),
    Column("cache_write_token_count_mean", "tokens", "number", "the same for those that it wrote to its cache"),
)
BILLED = (
    Column("billed_prompt_tokens", "tokens", "number", "prompt tokens of all successes, warm-up included"),
    Column("billed_completion_tokens", "tokens", "number", "completion tokens of all successes, warm-up included"),
    Column("billed_cached_tokens", "tokens", "number", "cached prompt tokens of all successes, warm-up included"),
    Column("billed_cache_write_tokens", "tokens", "number", "those written to a cache, warm-up included"),
)


def token_counts(sample: LevelSample) -> Cells:
    """The columns `TOKEN_COUNTS`."""
    tokens_in, tokens_out = floats(sample.successes, "prompt_tokens"), floats(sample.successes, "completion_tokens")
    prompt, completion = (_sources(sample.successes, f"{side}_token_source") for side in ("prompt", "completion"))
    row: Cells = {
        "token_source": both_sources(prompt, completion),
        "prompt_token_source": prompt,
        "completion_token_source": completion,
        "prompt_token_n": known(tokens_in),
        "completion_token_n": known(tokens_out),
        "completion_token_count_std": float(np.nanstd(tokens_out, ddof=1)) if known(tokens_out) > 1 else NAN,
        "cached_token_count_mean": _cached_mean(floats(sample.successes, "cached_tokens")),
        "cache_write_token_count_mean": _cached_mean(floats(sample.successes, "cache_write_tokens")),
    }
    return row


def billed_tokens(sample: LevelSample) -> Cells:
    """The columns `BILLED`: what a price per token is charged on; 0 without a success.

    One unknown count makes the sum unknown, but a request that reports no tokens of a cache had none at another price.
    """
    successes = Rows.chosen(sample.requests, sample.requests["success"].to_numpy(dtype=bool))
    row: Cells = {}
    for kind in ("cached", "cache_write"):
        tokens = floats(successes, f"{kind}_tokens")
        row[f"billed_{kind}_tokens"] = float(np.nansum(tokens)) if known(tokens) else NAN
    for kind in ("prompt", "completion"):
        tokens = floats(successes, f"{kind}_tokens")
        row[f"billed_{kind}_tokens"] = NAN if np.isnan(tokens).any() else float(tokens.sum())
    return row


def joined_values(frame: Frame, column: str) -> str | None:
    """The distinct values of a column joined by `+`: a level whose tokens were counted in two ways says both."""
    if column not in frame.columns:
        return None
    return "+".join(sorted(tallies(frame[column]))) or None


def _sources(frame: Frame, column: str) -> str | None:
    """Who counted one side; records of earlier versions have one source for both."""
    return joined_values(frame, column if column in frame.columns else "token_source")


def mean_of_known(values: Floats) -> float:
    """The mean of the values that are not NaN; NaN without any."""
    missing = np.isnan(values)
    present = values[~missing] if missing.any() else values
    return float(present.mean()) if present.size else NAN


def known(values: Floats) -> int:
    """How many values are not NaN."""
    return int(np.count_nonzero(~np.isnan(values)))


def _cached_mean(tokens: Floats) -> float:
    return float(np.nansum(tokens)) / tokens.size if known(tokens) else NAN
