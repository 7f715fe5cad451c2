"""Whether an open loop can be sustained: asked once of a level, as all of its other figures need the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.metrics.missing import floats, number
from fmbench_lib.metrics.statistics.sustainability import Sustainability, sustainability
from fmbench_lib.metrics.window import Window, moment_of_ending


def growth_in(requests: pd.DataFrame, facts: Mapping[str, Any], window: Window | None) -> Sustainability | None:
    """Whether an open loop can be sustained by what it did in a window; None for a closed loop or without a window.

    What ends after the window tells of the capacity up to the first failure there: a client that gives up, or a server
    that is stopped, does not end requests at its own pace.
    """
    if window is None or number(facts, "concurrency") is not None:
        return None
    ends = moment_of_ending(requests, number(facts, "timeout"))
    failed_later = ends[~requests["success"].to_numpy(dtype=bool) & (ends > window.end)]
    until = float(np.min(failed_later, initial=math.inf))
    return sustainability(floats(requests, "due"), ends, (window.start, window.end), until)


def growth_of_level(
    requests: pd.DataFrame, facts: Mapping[str, Any], growth: Sustainability | None, steady: Window
) -> Sustainability | None:
    """What the whole level says: `growth` is the answer of the window of its facts, `steady` the window that counts.

    Asked is all that was sent after the warm-up. Where that leaves it open, as a queue may only have filled to where it
    stays, the part from the steady state on is asked too, but does not accuse: two looks would do so twice as often.
    """
    if growth is None or growth.answer != "unknown":
        return growth
    later = growth_in(requests, facts, steady)
    return growth if later is None or later.answer == "no" else later
