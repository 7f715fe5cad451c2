"""Latency, TTFT, TPOT and ITL of a level: means, percentiles and their confidence intervals, over its successes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.tokens import mean_of_known
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import floats, or_nan
from fmbench_lib.metrics.requests import Floats
from fmbench_lib.metrics.statistics.percentiles import Estimate, clustered_estimate, estimate, percentile

QUANTILES: dict[str, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
FAMILIES: dict[str, str] = {
    "latency": "from `due` to the last content event",
    "TTFT": "from `due` to the first content event",
    "TPOT": "per output token after the first",
    "ITL": "between consecutive content events, over all gaps of all successes",
}
ANSWER_FAMILY = "TTFT_answer"
INTERVAL_FAMILIES = (*FAMILIES, ANSWER_FAMILY)
_FROM_SENT = ("TTFT_from_sent", "latency_from_sent")


def _estimates(family: str, meaning: str) -> tuple[Column, ...]:
    return tuple(Column(f"{family}_{what}", "s", "number", meaning) for what in ("mean", *QUANTILES))


def _intervals(family: str) -> tuple[Column, ...]:
    ends = "ends of the 95% confidence intervals of the percentiles above; empty where n is too small"
    return (
        Column(f"{family}_n", "", "whole number", "number of values behind the percentiles above"),
        *(Column(f"{family}_{q}_{end}", "s", "number", ends) for q in QUANTILES for end in ("low", "high")),
    )


TIMES = tuple(column for family, meaning in FAMILIES.items() for column in _estimates(family, meaning))
INTERVALS = tuple(column for family in INTERVAL_FAMILIES for column in _intervals(family))
ANSWER = _estimates(ANSWER_FAMILY, "from `due` to the first content that is not reasoning")
FROM_SENT = tuple(
    Column(f"{family}_{q}", "s", "number", "from the first byte sent instead of from `due`")
    for family in _FROM_SENT
    for q in ("p50", "p95")
)


def level_times(sample: LevelSample) -> Cells:
    """The columns `TIMES`, `INTERVALS`, `ANSWER` and `FROM_SENT`."""
    row: Cells = {}
    for family in INTERVAL_FAMILIES:
        row |= _family(sample.successes, family)
    for family in _FROM_SENT:
        values = floats(sample.successes, family)
        row |= {f"{family}_{q}": or_nan(percentile(values, QUANTILES[q])) for q in ("p50", "p95")}
    return row


def _family(successes: pd.DataFrame, family: str) -> Cells:
    groups: list[Floats] = list(successes["ITL"]) if family == "ITL" else []
    values = _pooled(groups) if family == "ITL" else floats(successes, family)
    values = values[~np.isnan(values)]
    row: Cells = {f"{family}_mean": mean_of_known(values), f"{family}_n": int(values.size)}
    for name, q in QUANTILES.items():
        result: Estimate = clustered_estimate(groups, q) if family == "ITL" else estimate(values, q)
        row[f"{family}_{name}"] = or_nan(result.value)
        row[f"{family}_{name}_low"], row[f"{family}_{name}_high"] = or_nan(result.low), or_nan(result.high)
    return row


def _pooled(groups: list[Floats]) -> Floats:
    return np.concatenate(groups) if groups else np.empty(0)
