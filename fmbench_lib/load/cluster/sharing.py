"""One level shared out over nodes: which workers a node has, and which requests are its own.

The arrival process is drawn once, for the level as a whole, and then dealt out: a sum of processes drawn on each node
would be another process. Workers are numbered over all nodes, and own what the worker of that number owns on one
machine: its slots, its part of a cap, its requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY

ENTRY = np.dtype([("position", "<u4"), ("prompt", "<u4"), ("due", "<f8")])
"""A `SEQUENCE_ENTRY`, as numpy reads it."""

Entries = NDArray[np.void]


def workers_of_nodes(most_each: Sequence[int], most: int | None) -> list[tuple[int, ...]]:
    """The numbers of each node's workers, dealt in turns, so that the first of all nodes come before the second of any.

    `most_each` is how many a node can have at most, `most` how many there may be in all: no more than requests may be
    in flight, as each has one at least. A node beyond that has none.
    """
    numbers: list[list[int]] = [[] for _ in most_each]
    total = sum(most_each) if most is None else min(sum(most_each), most)
    number = 0
    while number < total:
        for node, limit in enumerate(most_each):
            if len(numbers[node]) < limit and number < total:
                numbers[node].append(number)
                number += 1
    return [tuple(each) for each in numbers]


def read_entries(path: Path) -> Entries:
    """The order of sending that `write_order` has written for one worker: that of the level as a whole."""
    assert ENTRY.itemsize == SEQUENCE_ENTRY.size
    return np.fromfile(path, ENTRY)


def entries_of_nodes(entries: Entries, workers: Sequence[Sequence[int]], concurrency: int | None) -> list[Entries]:
    """The entries of each node, in their order.

    An open loop's are dealt to the workers in turns, as on one machine. A closed loop's are dealt to the slots in
    turns, so that each node gets as many as its share of the slots; which of its slots sends which is left to chance.
    """
    worker = entries["position"].astype(np.int64)
    if concurrency is not None:
        worker %= concurrency
    node = owners(workers)[worker % sum(map(len, workers))]
    order = np.argsort(node, kind="stable")
    edges = np.searchsorted(node[order], np.arange(len(workers) + 1))
    return [entries[order[start:stop]] for start, stop in pairwise(edges)]


def entries_of_worker(entries: Entries, worker: int, total: int) -> Entries:
    """Those of an open loop's entries that a worker sends, `total` of which there are on all nodes."""
    own: Entries = entries[entries["position"] % total == worker]
    return own


def owners(workers: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """The node of each worker, by their numbers."""
    owner = np.zeros(sum(map(len, workers)), np.int64)
    for node, numbers in enumerate(workers):
        owner[list(numbers)] = node
    return owner
