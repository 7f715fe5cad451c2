"""From the records of one level to its row: every metric group, computed once and put in order.

Latency statistics are over the successes *sent* in the window, including those that end after it. Throughput is the
work done *inside* the window: requests that reach over one of its edges, those of the warm-up too, count by their share
of time inside, because the endpoint did that work in that time. An open loop's window begins where its steady state
does.
"""

from __future__ import annotations

from typing import Literal

import pandas as pd

from fmbench_lib.metrics.columns import Cells
from fmbench_lib.metrics.groups.drift import DRIFT_SLICES
from fmbench_lib.metrics.level_sample import Facts, LevelSample, sample_of
from fmbench_lib.metrics.metric_groups import Standards, groups_of
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.requests import timed_requests
from fmbench_lib.metrics.steady_window import steadiness
from fmbench_lib.metrics.thresholds import Thresholds
from fmbench_lib.pricing.price_list import PriceList


def level_row(
    records: pd.DataFrame,
    facts: Facts,
    prices: PriceList | None = None,
    thresholds: Thresholds | None = None,
    objectives: Objectives | None = None,
) -> Cells:
    """The row of a level, in the order of `SUMMARY_COLUMNS`.

    A number that cannot be known is NaN and a text None; neither is ever 0 or "". Times in seconds, prices in USD.
    """
    return row_of(whole_level(records, facts, objectives), prices, thresholds)


def row_of(sample: LevelSample, prices: PriceList | None = None, thresholds: Thresholds | None = None) -> Cells:
    """The row of a level, from the sample of all its requests."""
    return derived_row(measured_cells(sample), prices, thresholds)


def measured_cells(sample: LevelSample) -> Cells:
    """Those cells of a level's row that its requests give; `derived_row` adds what follows from them."""
    return _measured(sample, "levels")


def derived_row(cells: Cells, prices: PriceList | None = None, thresholds: Thresholds | None = None) -> Cells:
    """The row of a level from the cells that were measured."""
    return _derived(cells, "levels", Standards(prices or PriceList(), thresholds or Thresholds()))


def whole_level(records: pd.DataFrame, facts: Facts, objectives: Objectives | None = None) -> LevelSample:
    """The sample of all requests of a level that were sent in its window."""
    requests = timed_requests(records)
    return sample_of(requests, steadiness(requests, facts), facts, objectives)


def slice_rows(
    records: pd.DataFrame,
    facts: Facts,
    slices: int = DRIFT_SLICES,
    prices: PriceList | None = None,
    objectives: Objectives | None = None,
) -> list[Cells]:
    """The rows of equal slices of the window, in the order of `SLICE_COLUMNS`; none where the window has no length.

    A request belongs to the slice it was sent in, a completion to the slice it ended in.
    """
    return slices_of(whole_level(records, facts, objectives), slices, prices)


def slices_of(sample: LevelSample, slices: int = DRIFT_SLICES, prices: PriceList | None = None) -> list[Cells]:
    """The rows of equal slices of the window of a level, from the sample of all its requests."""
    if sample.window is None:
        return []
    standards = Standards(prices or PriceList(), Thresholds())
    parts = enumerate(sample.window.slices(slices))
    samples = (sample.part(part, index) for index, part in parts)
    return [_derived(_measured(each, "slices"), "slices", standards) for each in samples]


def _measured(sample: LevelSample, table: Literal["levels", "slices"]) -> Cells:
    """A function that serves several groups is called once."""
    row: Cells = {}
    for measure in dict.fromkeys(group.measure for group in groups_of(table)):
        row |= measure(sample) if measure else {}
    return row


def _derived(measured: Cells, table: Literal["levels", "slices"], standards: Standards) -> Cells:
    groups, row = groups_of(table), dict(measured)
    for derive in dict.fromkeys(group.derive for group in groups):
        row |= derive(row, standards) if derive else {}
    return {column.name: row[column.name] for group in groups for column in group.columns}
