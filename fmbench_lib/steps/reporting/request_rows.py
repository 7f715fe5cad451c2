"""The rows of single requests: all into the tables of requests, some into the report's pictures and page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from fmbench_lib.load.recording.stored_level import frame_of_table
from fmbench_lib.metrics.request_table import REQUEST_COLUMNS, request_rows_of, requests_frame
from fmbench_lib.metrics.stacked_columns import stacked
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.losses import Losses
from fmbench_lib.steps.prompts.length_audit import LengthAudit
from fmbench_lib.steps.reporting.level_figures import LevelFigures
from fmbench_lib.steps.reporting.request_tables import RequestTables

_LONG_TEXTS = ("completion", "error_message")


@dataclass(frozen=True, slots=True)
class DrawnRequests:
    """Rows of the table of requests that pictures and the page show, and what is to be said of the lengths of all."""

    requests: pd.DataFrame
    length_notices: Sequence[str] = ()


def request_rows(
    run: Run, levels: Sequence[LevelFigures], losses: Losses, tables: RequestTables | None = None
) -> DrawnRequests:
    """The requests that are drawn; on the way all of them are written to `tables`."""
    return losses.made(
        "the table of requests", lambda: _rows(run, levels, tables), lambda: DrawnRequests(requests_frame(()))
    )


def _rows(run: Run, levels: Sequence[LevelFigures], tables: RequestTables | None) -> DrawnRequests:
    audit, parts = LengthAudit(run), []
    for each in levels:
        facts = each.level.facts
        for block, places in _blocks(each):
            all_needed = tables is not None or audit.needed
            rows = request_rows_of(frame_of_table(block if all_needed else _at(block, places)), facts, each.window)
            if tables is not None:
                tables.write(rows)
            audit.add(str(facts["experiment_name"]), str(facts["payload_file"]), rows)
            drawn = rows if places is None or not all_needed else rows.iloc[places]
            parts.append(drawn.drop(columns=list(_LONG_TEXTS)))
    parts = [part for part in parts if len(part)]
    if not parts:
        return DrawnRequests(requests_frame(()), audit.lines())
    names = [name for name in REQUEST_COLUMNS if name not in _LONG_TEXTS]
    return DrawnRequests(pd.DataFrame({name: stacked([part[name] for part in parts]) for name in names}), audit.lines())


def _blocks(figures: LevelFigures) -> Iterator[tuple[pa.Table, np.ndarray | None]]:
    """The blocks of a level's records, with the positions in each that are drawn; None for all."""
    first = 0
    for block in figures.level.blocks():
        end = first + block.num_rows
        if figures.drawn is None:
            yield block, None
        else:
            low, high = np.searchsorted(figures.drawn, (first, end))
            yield block, figures.drawn[low:high] - first
        first = end


def _at(block: pa.Table, places: np.ndarray | None) -> pa.Table:
    return block if places is None else block.take(pa.array(places))
