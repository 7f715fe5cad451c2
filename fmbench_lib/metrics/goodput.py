"""Goodput: what the endpoint delivers within the objectives of each single request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import GOODPUT
from fmbench_lib.metrics.missing import NAN, floats
from fmbench_lib.metrics.requests import Flags
from fmbench_lib.metrics.window import Window, completed_in


@dataclass(frozen=True, slots=True)
class Objectives:
    """The most that a request may take, in seconds; None is not asked. The names are the keys of the config's `slo`."""

    ttft: float | None = None
    tpot: float | None = None
    latency: float | None = None

    def __bool__(self) -> bool:
        return any(limit is not None for limit in (self.ttft, self.tpot, self.latency))


def attained(requests: pd.DataFrame, objectives: Objectives) -> dict[str, Flags]:
    """For each objective that is set, and under `all`, which requests met it.

    A failed request meets none. One of fewer than two tokens has no TPOT and meets that objective. A response that did
    not stream has no TTFT that could be seen, and meets neither that objective nor the one of TPOT.
    """
    success: Flags = requests["success"].to_numpy(dtype=bool)
    streamed = floats(requests, "streamed") == 1
    alone = floats(requests, "completion_tokens") < 2
    met: dict[str, Flags] = {}
    if objectives.ttft is not None:
        met["ttft"] = success & (floats(requests, "TTFT") <= objectives.ttft)
    if objectives.tpot is not None:
        met["tpot"] = success & streamed & (alone | (floats(requests, "TPOT") <= objectives.tpot))
    if objectives.latency is not None:
        met["latency"] = success & (floats(requests, "latency") <= objectives.latency)
    everything = success
    for one in met.values():
        everything = everything & one
    return {**met, "all": everything}


def goodput_columns(
    requests: pd.DataFrame, counted: Flags, window: Window | None, objectives: Objectives | None
) -> dict[str, Any]:
    """The columns `GOODPUT`; NaN where no objective is set, or where one is about tokens and no response streamed.

    `goodput`: completions inside the window that meet every objective, per second. `slo_attainment`: the share of all
    requests sent in the window (`counted`), failed ones included, that meet every objective; the others the same for
    one. `goodput_tokens`: completion tokens per second of the requests that count for the goodput;
    `slo_token_attainment`: the share of the completion tokens of the requests sent in the window that theirs are.
    """
    row: dict[str, Any] = dict.fromkeys(GOODPUT, NAN)
    if not objectives or _unseen(requests[counted], objectives):
        return row
    met = attained(requests, objectives)
    tokens = floats(requests, "completion_tokens")
    if counted.any():
        for name, flags in met.items():
            column = "slo_attainment" if name == "all" else f"slo_attainment_{name}"
            row[column] = float(flags[counted].mean())
        made = np.where(requests["success"].to_numpy(dtype=bool), tokens, 0.0)[counted]
        within = np.where(met["all"], tokens, 0.0)[counted]
        row["slo_token_attainment"] = float(within.sum() / made.sum()) if made.sum() > 0 else NAN
    if window is not None:
        good = met["all"] & completed_in(requests, window)
        row["goodput"] = float(np.count_nonzero(good)) / window.seconds
        row["goodput_tokens"] = float(tokens[good].sum()) / window.seconds
    return row


def _unseen(chosen: pd.DataFrame, objectives: Objectives) -> bool:
    """Whether an objective is about times that not one of the successes could show."""
    successes = chosen[chosen["success"]]
    about_tokens = objectives.ttft is not None or objectives.tpot is not None
    return about_tokens and len(successes) > 0 and not (floats(successes, "streamed") == 1).any()
