"""Throughput: what the endpoint did per second; `level_work` says what counts, in an open loop and in a closed one."""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column, names
from fmbench_lib.metrics.groups.tokens import mean_of_known
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.level_work import Work, work_of
from fmbench_lib.metrics.missing import NAN, floats, or_nan

_BY_LOOP = "in an open loop by the share of their time in the window, in a closed one by Wald's equation"
THROUGHPUT = (
    Column("prompt_token_count_mean", "tokens", "number", "mean prompt tokens of the successes"),
    Column("prompt_token_throughput", "tokens/s", "number", f"prompt tokens of the successes per second, {_BY_LOOP}"),
    Column("completion_token_count_mean", "tokens", "number", "mean completion tokens of the successes"),
    Column(
        "completion_token_throughput",
        "tokens/s",
        "number",
        "completion tokens of the successes per second, in an open loop those that arrived in the window",
    ),
    Column("transactions_per_second", "1/s", "number", f"successes per second, {_BY_LOOP}"),
    Column("transactions_per_minute", "1/min", "number", "`60 · transactions_per_second`"),
)
_ENDS = "end of its 95% confidence interval; empty where the window is too short"
THROUGHPUT_INTERVALS = tuple(
    Column(f"{rate}_{end}", unit, "number", _ENDS)
    for rate, unit in (("transactions_per_minute", "1/min"), ("completion_token_throughput", "tokens/s"))
    for end in ("low", "high")
)


def throughput(sample: LevelSample) -> Cells:
    """The columns `THROUGHPUT` and `THROUGHPUT_INTERVALS`.

    Rates are NaN without a window. A level that did nothing has 0 transactions, and an unknown token throughput, as
    tokens of failed requests are not counted.
    """
    row: Cells = dict.fromkeys(names(THROUGHPUT, THROUGHPUT_INTERVALS), NAN)
    row["prompt_token_count_mean"] = mean_of_known(floats(sample.successes, "prompt_tokens"))
    row["completion_token_count_mean"] = mean_of_known(floats(sample.successes, "completion_tokens"))
    work = work_of(sample)
    if work is None:
        return row
    rate = work.requests()
    row["transactions_per_second"] = rate.value
    row["transactions_per_minute"] = 60 * rate.value
    if rate.low is not None and rate.high is not None:
        row["transactions_per_minute_low"], row["transactions_per_minute_high"] = 60 * rate.low, 60 * rate.high
    return row | ({} if work.idle else _tokens(sample, work))


def _tokens(sample: LevelSample, work: Work) -> Cells:
    prompts = work.tokens(floats(sample.requests, "prompt_tokens"))
    completions = work.tokens(floats(sample.requests, "completion_tokens"), by_events=True)
    name = "completion_token_throughput"
    return {
        "prompt_token_throughput": prompts.value if prompts else NAN,
        name: completions.value if completions else NAN,
        f"{name}_low": or_nan(completions.low) if completions else NAN,
        f"{name}_high": or_nan(completions.high) if completions else NAN,
    }
