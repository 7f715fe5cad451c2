"""Goodput: what the endpoint delivers within the latency objectives of each single request."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column, names
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.level_work import work_of
from fmbench_lib.metrics.missing import NAN, floats
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.statistics.arrays import Flags

GOODPUT = (
    Column("goodput", "requests/s", "number", "the part of `transactions_per_second` that is within every objective"),
    Column("slo_attainment", "share", "number", "requests within every objective, of all sent in the window"),
    Column("slo_attainment_ttft", "share", "number", "the same for the objective of TTFT alone"),
    Column("slo_attainment_tpot", "share", "number", "the same for the objective of TPOT alone"),
    Column("slo_attainment_latency", "share", "number", "the same for the objective of latency alone"),
    Column("goodput_tokens", "tokens/s", "number", "completion tokens of what `goodput` counts, per second"),
    Column(
        "slo_token_attainment",
        "share",
        "number",
        "completion tokens of the requests within every objective, of those of all successes sent in the window",
    ),
)


def attained(requests: pd.DataFrame, objectives: Objectives) -> dict[str, Flags]:
    """For each objective that is set, and for all of them under `all`, which requests met it.

    A failed request meets none, and one without the figure that an objective is about does not meet it: a response that
    did not stream has neither TTFT nor TPOT, and one of a single token, or whose content came at once, has no TPOT.
    """
    success: Flags = requests["success"].to_numpy(dtype=bool)
    met: dict[str, Flags] = {}
    if objectives.ttft is not None:
        met["ttft"] = success & (floats(requests, "TTFT") <= objectives.ttft)
    if objectives.tpot is not None:
        met["tpot"] = success & (floats(requests, "TPOT") <= objectives.tpot)
    if objectives.latency is not None:
        met["latency"] = success & (floats(requests, "latency") <= objectives.latency)
    everything = success
    for flags in met.values():
        everything = everything & flags
    return {**met, "all": everything}


def goodput(sample: LevelSample) -> Cells:
    """The columns `GOODPUT`. NaN where no objective is set, or where one is about tokens and no response streamed."""
    row: Cells = dict.fromkeys(names(GOODPUT), NAN)
    requests, counted, objectives = sample.requests, sample.counted, sample.objectives
    if not objectives or _invisible(sample, objectives):
        return row
    met = attained(requests, objectives)
    tokens = floats(requests, "completion_tokens")
    if counted.any():
        for name, flags in met.items():
            column = "slo_attainment" if name == "all" else f"slo_attainment_{name}"
            row[column] = float(flags[counted].mean())
        produced = np.where(requests["success"].to_numpy(dtype=bool), tokens, 0.0)[counted]
        within = np.where(met["all"], tokens, 0.0)[counted]
        row["slo_token_attainment"] = float(within.sum() / produced.sum()) if produced.sum() > 0 else NAN
    work = work_of(sample)
    if work is not None:
        row["goodput"] = work.requests(met["all"]).value
        good_tokens = work.tokens(tokens, met["all"], by_events=True)
        row["goodput_tokens"] = good_tokens.value if good_tokens else NAN
    return row


def _invisible(sample: LevelSample, objectives: Objectives) -> bool:
    """Whether an objective is about times to tokens that no success shows, because none streamed."""
    about_tokens = objectives.ttft is not None or objectives.tpot is not None
    streamed = (floats(sample.successes, "streamed") == 1).any()
    return about_tokens and len(sample.successes) > 0 and not streamed
