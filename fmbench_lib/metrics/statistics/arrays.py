"""The arrays that statistics take and give. It needs numpy alone, so that the load engine can use statistics without
pandas."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Integers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


def in_order(values: Floats) -> Floats:
    """The values that are not NaN, rising; the same array where it is that already.

    Times of requests are nearly in order as they come, which a stable sort makes use of.
    """
    known = ~np.isnan(values)
    kept = values if known.all() else values[known]
    return kept if bool((kept[1:] >= kept[:-1]).all()) else np.sort(kept, kind="stable")


def distinct(values: Floats) -> Floats:
    """The distinct values that are not NaN, rising; quickly where the values are a few series that rise nearly."""
    ordered = in_order(values)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if ordered.size else ordered
