"""TTLT: the latency of streamed responses under the name that FMBench 2.x's tables give it."""

from __future__ import annotations

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.level_times import QUANTILES
from fmbench_lib.metrics.missing import Row, number, or_nan

_STATISTICS = ("mean", *QUANTILES)
LAST_TOKENS = tuple(
    Column(f"TTLT_{name}", "s", "number", "the latency, where responses were streamed, as FMBench 2.x names it")
    for name in _STATISTICS
)


def last_token_columns(row: Row) -> Cells:
    """The columns `LAST_TOKENS`: those of `latency` where every success that has one was streamed, else NaN."""
    streamed = number(row, "TTFT_n") not in (None, 0) and number(row, "TTFT_n") == number(row, "latency_n")
    return {f"TTLT_{name}": or_nan(number(row, f"latency_{name}") if streamed else None) for name in _STATISTICS}
