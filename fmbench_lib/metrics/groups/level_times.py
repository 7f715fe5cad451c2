"""Latency, TTFT, TPOT and ITL of a level: means, percentiles and their confidence intervals, over its successes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.groups.queue_growth import queue_grows
from fmbench_lib.metrics.groups.tokens import mean_of_known
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, floats, or_nan
from fmbench_lib.metrics.requests import since_sent
from fmbench_lib.metrics.rows import Frame
from fmbench_lib.metrics.statistics.arrays import Floats
from fmbench_lib.metrics.statistics.correlated import (
    CorrelatedEstimate,
    State,
    grouped_intervals,
    quantile_intervals,
)
from fmbench_lib.metrics.statistics.percentiles import percentiles
from fmbench_lib.metrics.statistics.ragged import Ragged
from fmbench_lib.metrics.window import moment_of_sending

QUANTILES: dict[str, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
ALL_QUANTILES: dict[str, float] = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}
"""Those of `QUANTILES`, and the one that some service levels are agreed on: its columns are `P90`."""
_ALL = tuple(ALL_QUANTILES.values())
FAMILIES: dict[str, str] = {
    "latency": "from `due` to the last content event",
    "TTFT": "from `due` to the first content event",
    "TPOT": "per output token after the first",
    "ITL": "between the reads that brought content, over all gaps of all successes",
}
ANSWER_FAMILY = "TTFT_answer"
INTERVAL_FAMILIES = (*FAMILIES, ANSWER_FAMILY)
_OF_SENT = ("p50", "p95")
_FROM_SENT = ("TTFT_from_sent", "latency_from_sent")


def _estimates(family: str, meaning: str) -> tuple[Column, ...]:
    return tuple(Column(f"{family}_{what}", "s", "number", meaning) for what in ("mean", *QUANTILES))


def _intervals(family: str) -> tuple[Column, ...]:
    ends = "ends of the 95% confidence intervals of the percentiles above; empty where too little is known for one"
    return (
        Column(f"{family}_n", "", "whole number", "number of values behind the percentiles above"),
        *(Column(f"{family}_{q}_{end}", "s", "number", ends) for q in QUANTILES for end in ("low", "high")),
    )


TIMES = tuple(column for family, meaning in FAMILIES.items() for column in _estimates(family, meaning))
INTERVALS = (
    *(column for family in INTERVAL_FAMILIES for column in _intervals(family)),
    Column("latency_effective_n", "", "number", "independent requests that would tell as much about `latency_p95`"),
    Column("latency_longer", "", "number", "how many times as long to measure for its interval; 1 where it has one"),
)
P90 = tuple(
    Column(f"{family}_p90{end}", "s", "number", "p90 beside the percentiles above, and the ends of its 95% interval")
    for family in INTERVAL_FAMILIES
    for end in ("", "_low", "_high")
)
ANSWER = _estimates(ANSWER_FAMILY, "from `due` to the first content that is not reasoning")
FROM_SENT = tuple(
    Column(f"{family}_{q}", "s", "number", "from the first byte sent instead of from `due`")
    for family in _FROM_SENT
    for q in _OF_SENT
)


@dataclass(frozen=True, slots=True)
class OrderedTimes:
    """The requests that a level's times are about, in order of sending, and the state of the endpoint then.

    `gaps` are those of each of the requests. `state` is None where the queue grows throughout: a percentile tells how
    long was measured, and has no interval.
    """

    requests: Frame
    gaps: Ragged
    state: State | None

    @classmethod
    def of(cls, sample: LevelSample) -> OrderedTimes:
        """Those of the requests that a sample counts."""
        begin, chosen = moment_of_sending(sample.chosen), sample.chosen
        gaps = sample.gaps_in(chosen)
        in_flight: Floats = chosen.of(sample.moments.in_flight[sample.first :])
        requests: Frame = chosen
        if (begin[1:] < begin[:-1]).any():
            order = np.argsort(begin, kind="stable")
            requests, gaps, in_flight = replace(chosen, order=order), gaps.take(order), in_flight[order]
        state = None if queue_grows(sample) else State.of(in_flight)
        return cls(requests, gaps, state)

    def values(self, family: str) -> Floats:
        """The known values of a family, of ITL all gaps of all requests."""
        if family == "ITL":
            return self.gaps.values
        series = floats(self.requests, family)
        known: Floats = series[~np.isnan(series)]
        return known

    def estimates(self, family: str, quantiles: Sequence[float] = _ALL) -> list[CorrelatedEstimate]:
        """Percentiles of a family with their intervals."""
        values = self.values(family)
        if self.state is None or not values.size:
            return [CorrelatedEstimate(len(values), value) for value in percentiles(values, quantiles)]
        if family == "ITL":
            return grouped_intervals(self.gaps, quantiles, self.state)
        return quantile_intervals(floats(self.requests, family), quantiles, self.state)


def level_times(sample: LevelSample) -> Cells:
    """The columns `TIMES`, `INTERVALS`, `ANSWER`, `P90` and `FROM_SENT`."""
    row: Cells = {"latency_effective_n": NAN, "latency_longer": NAN}
    times = OrderedTimes.of(sample)
    row |= _family(times, "ITL")
    times = replace(times, gaps=Ragged.empty(0))  # the gaps of a large level are half of its memory
    for family in FAMILIES:
        row |= {} if family == "ITL" else _family(times, family)
    return row | _answer(times, row) | times_from_sent(sample)


def _answer(times: OrderedTimes, row: Cells) -> Cells:
    """The columns of `ANSWER_FAMILY`: those of TTFT, where no content comes before the answer."""
    first, answer = floats(times.requests, "TTFT"), floats(times.requests, ANSWER_FAMILY)
    if not np.array_equal(first, answer, equal_nan=True):
        return _family(times, ANSWER_FAMILY)
    return {f"{ANSWER_FAMILY}{name[4:]}": value for name, value in row.items() if name.startswith("TTFT_")}


def times_from_sent(sample: LevelSample) -> Cells:
    """The columns `FROM_SENT`."""
    row: Cells = {}
    for family in ("TTFT", "latency"):
        found = percentiles(since_sent(sample.successes, family), [QUANTILES[q] for q in _OF_SENT])
        row |= {f"{family}_from_sent_{q}": or_nan(value) for q, value in zip(_OF_SENT, found, strict=True)}
    return row


def _family(times: OrderedTimes, family: str) -> Cells:
    values = times.values(family)
    row: Cells = {f"{family}_mean": mean_of_known(values), f"{family}_n": int(values.size)}
    for name, result in zip(ALL_QUANTILES, times.estimates(family), strict=True):
        if (family, name) == ("latency", "p95") and times.state is not None and values.size:
            row |= {"latency_effective_n": result.effective_n, "latency_longer": result.longer}
        row[f"{family}_{name}"] = or_nan(result.value)
        row[f"{family}_{name}_low"], row[f"{family}_{name}_high"] = or_nan(result.low), or_nan(result.high)
    return row
