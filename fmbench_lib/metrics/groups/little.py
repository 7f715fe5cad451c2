"""Little's law: the requests in flight against their rate times the mean time of one."""

from __future__ import annotations

import numpy as np

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import NAN, number
from fmbench_lib.metrics.statistics.work_in_window import littles_law, work_until
from fmbench_lib.metrics.window import moment_of_ending, moment_of_sending

LITTLE = (
    Column(
        "littles_law",
        "share",
        "number",
        "by how much the requests in flight are off their rate × the mean time of those measured; 0 in a steady state",
    ),
)


def little(sample: LevelSample) -> Cells:
    """The column `LITTLE`, over all requests, failed ones too, as those occupy the endpoint as well."""
    window, requests = sample.window, sample.requests
    if window is None or not sample.counted.any():
        return {"littles_law": NAN}
    begin, end = moment_of_sending(requests), moment_of_ending(requests, number(sample.facts, "timeout"))
    times = (end - begin)[sample.counted]
    if np.isnan(times).all():
        return {"littles_law": NAN}
    edges = np.array([window.start, window.end])
    done = work_until(edges, begin, end)
    rate = float(done[1] - done[0]) / window.seconds
    deviation = littles_law(begin, end, (window.start, window.end), rate, float(np.nanmean(times))).deviation
    return {"littles_law": deviation if np.isfinite(deviation) else NAN}
