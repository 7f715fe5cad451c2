"""The window that the figures of a level are of."""

from __future__ import annotations

import pandas as pd
import pytest

from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.metrics.steady_window import measured_window


def test_it_is_that_of_the_row_in_an_open_loop_and_in_a_closed_one(request_row, facts) -> None:
    records = pd.DataFrame([request_row(n, latency=9.0 if n < 40 else 1.5) for n in range(300)])
    for changes, cut in (({"concurrency": None, "request_rate": 1.0}, 40.0), ({}, 0.0)):
        level = facts(seconds=300, **changes)
        window, row = measured_window(records, level), level_row(records, level)
        assert window is not None
        assert window.start - level["window_start"] == pytest.approx(cut)
        assert (window.start, window.seconds) == pytest.approx((row["window_start"], row["window_s"]))
    assert measured_window(records, facts(seconds=0)) is None
