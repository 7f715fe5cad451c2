"""Whether an endpoint stood still, in a way that no percentile shows."""

from __future__ import annotations

from collections.abc import Iterator

from fmbench_lib.metrics.finding import Finding, in_seconds
from fmbench_lib.metrics.groups.stalls import LONG
from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.metrics.thresholds import Thresholds


def long_requests(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """A few requests that took a large part of the time in flight of all."""
    count, share, requests = (number(row, name) for name in ("long_requests", "long_requests_share", "requests"))
    if not count or share is None or share <= limits.long_degraded or not requests:
        return
    longest = number(row, "latency_max")
    most = "" if longest is None else f" (latency: up to {in_seconds(longest)})"
    reason = f"{count:.0f} of {requests:.0f} requests took more than {LONG:g} times the p95 of all{most}"
    effect = f"and {share:.0%} of all time in flight, which throughput shows and percentiles do not"
    yield Finding("degraded", f"{reason} {effect}: look at the endpoint's log, and measure longer")


def silence(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """A time in which nothing came back though requests were in flight."""
    longest, plausible, window = (number(row, name) for name in ("silence_max", "silence_plausible", "window_s"))
    if longest is None or plausible is None or window is None:
        return
    if longest <= plausible or longest <= limits.silence_degraded * window:
        return
    reason = f"the endpoint sent nothing for {in_seconds(longest)} while requests were in flight"
    compared = f"{longest / window:.0%} of the window, where the others make {in_seconds(plausible)} plausible"
    yield Finding("degraded", f"{reason}, {compared}: look at its log, and measure again")
