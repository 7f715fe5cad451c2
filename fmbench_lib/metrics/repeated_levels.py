"""Levels that were measured several times: one row for each beside the rows of its repeats, and what is decided on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pandas as pd

from fmbench_lib.config.repeat_names import split_repeat
from fmbench_lib.metrics.columns import Cells, Column, frame_of
from fmbench_lib.metrics.level_row import whole_level
from fmbench_lib.metrics.level_sample import LevelData, LevelSample
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.metrics.missing import Row, rows_of
from fmbench_lib.metrics.objectives import Objectives
from fmbench_lib.metrics.pooled_row import REPEATS, pooled_measures, pooled_row
from fmbench_lib.pricing.price_list import PriceList

REPEATED_TABLE: tuple[Column, ...] = (*SUMMARY, *REPEATS)
"""`repeated_levels.csv`: the columns of `all_metrics_summary.csv`, and the spread between repeats."""

_Level: TypeAlias = tuple[str, str, str]


def repeated_frame(
    levels: Sequence[LevelData],
    summary: pd.DataFrame,
    prices: PriceList | None = None,
    objectives: Objectives | None = None,
) -> pd.DataFrame:
    """`repeated_levels.csv`: one row for each level that was measured several times, in the order of the levels.

    `summary` is the frame of these levels, in the same order.
    """
    samples: dict[_Level, list[LevelSample]] = {}
    for level, row in zip(levels, rows_of(summary), strict=True):
        samples.setdefault(level_of(row), []).append(whole_level(*level, objectives))
    measures = {key: pooled_measures(repeats) for key, repeats in samples.items() if len(repeats) > 1}
    return repeated_from(measures, summary, prices)


def repeated_from(
    measures: Mapping[tuple[str, str, str], Cells], summary: pd.DataFrame, prices: PriceList | None = None
) -> pd.DataFrame:
    """The same from the `pooled_measures` of the levels that have any, by what `level_of` gives."""
    groups: dict[_Level, list[Row]] = {}
    for row in rows_of(summary):
        groups.setdefault(level_of(row), []).append(row)
    known = {key: rows for key, rows in groups.items() if len(rows) > 1 and key in measures}
    pooled = [pooled_row(measures[key], rows, prices or PriceList()) for key, rows in known.items()]
    return frame_of(pooled, REPEATED_TABLE)


def once_each(summary: pd.DataFrame, repeated: pd.DataFrame) -> pd.DataFrame:
    """Each level once, in the order of the summary: over its repeats where it has any, else by its own row.

    The columns are those of the summary if no level was repeated, else those of `repeated_levels.csv`.
    """
    if repeated.empty:
        return summary
    pooled = {level_of(row): row for row in rows_of(repeated)}
    rows: dict[_Level, Row] = {}
    for row in rows_of(summary):
        level = level_of(row)
        rows.setdefault(level, pooled.get(level, {**row, "repeats": 1}))
    return frame_of((dict(row) for row in rows.values()), REPEATED_TABLE)


def under_one_load(requests: pd.DataFrame) -> pd.DataFrame:
    """The frame of requests with those of repeats under the load that they repeat."""
    loads = {name: split_repeat(str(name))[0] for name in requests["load"].unique()}
    return requests.assign(load=requests["load"].map(loads))


def level_of(row: Row) -> _Level:
    """What tells a level from others, whichever of its repeats the row is about."""
    return str(row["experiment_name"]), str(row["payload_file"]), split_repeat(str(row["load"]))[0]
