"""Records that were decoded on their node, moved onto the driver's clock.

All times of a request are taken on one node and move by one amount, which is the offset of the clocks when it was due:
no difference of clocks, nor any change of it, gets into a latency.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fmbench_lib.load.cluster.clock_offsets import NodeClock

_TIMES = ("due", "sent", "first", "first_answer", "last", "end")


def on_drivers_clock(table: pa.Table, clock: NodeClock, unix_offset_ns: int, workers: Sequence[int]) -> pa.Table:
    """Records of a node, whose times are those of its monotonic clock in seconds, in Unix time by the driver's clock.

    `unix_offset_ns` is the driver's Unix time less its monotonic time. The records number the node's workers from 0,
    `workers` are their numbers among all.
    """
    due_ns = np.rint(table["due"].to_numpy() * 1e9).astype(np.int64)
    start = clock.before
    offsets = start.offset_ns + np.rint((clock.drift or 0.0) * (due_ns - start.node_ns)).astype(np.int64)
    shift = (offsets + unix_offset_ns) / 1e9
    for name in _TIMES:
        table = _with(table, name, pc.add(table[name].combine_chunks(), pa.array(shift)))
    table = _with(table, "event_times", _shifted_lists(table["event_times"].combine_chunks(), shift))
    numbers = np.asarray(workers, np.int32)[table["worker"].to_numpy()]
    return _with(table, "worker", pa.array(numbers, pa.int32()))


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(place), column)


def _shifted_lists(lists: pa.ListArray, shift: np.ndarray[tuple[int], np.dtype[np.float64]]) -> pa.ListArray:
    lengths = np.diff(lists.offsets.to_numpy())
    values = lists.values.to_numpy()[lists.offsets[0].as_py() : lists.offsets[-1].as_py()]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values + np.repeat(shift, lengths)), type=lists.type)
