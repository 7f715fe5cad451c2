"""Records that were decoded on their node, moved onto the driver's clock.

All times of a request are taken on one node and move by one amount, which is the offset of the clocks when it was due:
no difference of clocks, nor any change of it, gets into a latency. The same holds where a level was stopped and
continued, and its later records are set back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fmbench_lib.load.cluster.clock_offsets import NodeClock
from fmbench_lib.load.sending.level_part import PartOfLevel

_TIMES = ("due", "sent", "first", "first_answer", "last", "end")


def on_drivers_clock(table: pa.Table, clock: NodeClock, unix_offset_ns: int, workers: Sequence[int]) -> pa.Table:
    """Records of a node, whose times are those of its monotonic clock in seconds, in Unix time by the driver's clock.

    `unix_offset_ns` is the driver's Unix time less its monotonic time. The records number the node's workers from 0,
    `workers` are their numbers among all.
    """
    due_ns = np.rint(table["due"].to_numpy() * 1e9).astype(np.int64)
    start = clock.before
    offsets = start.offset_ns + np.rint((clock.drift or 0.0) * (due_ns - start.node_ns)).astype(np.int64)
    table = _shifted(table, (offsets + unix_offset_ns) / 1e9)
    numbers = np.asarray(workers, np.int32)[table["worker"].to_numpy()]
    return _with(table, "worker", pa.array(numbers, pa.int32()))


def of_part(table: pa.Table, part: PartOfLevel) -> pa.Table:
    """Those of the records that belong to a part of a level, set back by the time between the parts."""
    own = table.filter(pa.array([part.has(position) for position in positions_of(table).tolist()], pa.bool_()))
    return _shifted(own, np.full(own.num_rows, -part.gap_ns / 1e9))


def positions_of(table: pa.Table) -> NDArray[np.int64]:
    """The positions of requests in the order of sending, which end their ids."""
    ends = pc.list_element(pc.split_pattern(table["request_id"].combine_chunks(), "-", max_splits=1, reverse=True), 1)
    positions: NDArray[np.int64] = ends.cast(pa.int64()).to_numpy()
    return positions


def _shifted(table: pa.Table, shift_s: NDArray[np.float64]) -> pa.Table:
    """Records all times of which are later by what stands for each of them."""
    for name in _TIMES:
        table = _with(table, name, pc.add(table[name].combine_chunks(), pa.array(shift_s)))
    return _with(table, "event_times", _shifted_lists(table["event_times"].combine_chunks(), shift_s))


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), column)


def _shifted_lists(lists: pa.ListArray, shift: NDArray[np.float64]) -> pa.ListArray:
    lengths = np.diff(lists.offsets.to_numpy())
    values = lists.values.to_numpy()[lists.offsets[0].as_py() : lists.offsets[-1].as_py()]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values + np.repeat(shift, lengths)), type=lists.type)
