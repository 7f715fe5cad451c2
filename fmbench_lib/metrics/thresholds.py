"""The limits of the verdict, in one table; that of `docs/metrics.md` is generated from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from fmbench_lib.metrics.statistics.percentiles import smallest_n


def _limit(default: float, unit: str, meaning: str) -> Any:
    return field(default=default, metadata={"unit": unit, "meaning": meaning})


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a level is `degraded` or `invalid`.

    A delay is compared with a figure only above its floor: 2 ms in a TTFT of 20 ms matter less than the noise of any
    network.
    """

    lag_floor: float = _limit(0.002, "s", "an error of the client's up to this never counts")
    lag_degraded: float = _limit(
        0.05, "share of the percentile", "the client's error in TTFT or latency p50, p95 or p99 above it: degraded"
    )
    lag_invalid_floor: float = _limit(0.010, "s", "an error of the client's up to this never makes a level invalid")
    lag_invalid: float = _limit(0.25, "share of the percentile", "the same above it: invalid")
    itl_lag_degraded: float = _limit(0.25, "share of the percentile", "the client's error in ITL above it: degraded")
    resends_degraded: float = _limit(0.01, "share of requests", "sent again, and late beside TTFT p50: more, degraded")
    node_clock_bound: float = _limit(0.005, "s", "clocks of a cluster's nodes known less well: degraded")
    cpu_degraded: float = _limit(0.90, "share of a core", "CPU of the busiest worker above it: degraded")
    in_flight_degraded: float = _limit(
        0.05, "share of the load asked", "closed loop, load in flight off by more: degraded"
    )
    in_flight_invalid: float = _limit(
        0.20, "share of the load asked", "closed loop, load in flight off by more: invalid"
    )
    little_degraded: float = _limit(0.03, "share of rate × mean time", "requests in flight off by more…")
    little_edges: float = _limit(2.5, "times √(2 · in flight) / requests", "…and by more than this: degraded")
    rate_degraded: float = _limit(0.05, "share of the rate scheduled", "open loop, requests sent off by more: degraded")
    window_least: float = _limit(10.0, "s", "window shorter: degraded")
    window_latencies: float = _limit(5.0, "times latency p50", "window shorter: degraded")
    successes_least: int = _limit(smallest_n(0.95), "successes", "fewer: degraded (far too few for p95)")
    effective_least: float = _limit(240, "independent requests", "as many are enough for an interval of p95")
    errors_degraded: float = _limit(0.01, "share of requests", "error rate above it: degraded")
    errors_invalid: float = _limit(0.50, "share of requests", "error rate of at least this: invalid")
    clock_floor: float = _limit(0.001, "s", "clock steps up to this never count")
    clock_degraded: float = _limit(0.01, "share of TTFT p50", "largest clock step above it: degraded")
    clock_invalid: float = _limit(0.10, "share of TTFT p50", "largest clock step above it: invalid")
    stopped_degraded: float = _limit(1.0, "s", "a load worker did not run for longer: degraded")
    stopped_invalid: float = _limit(0.05, "share of the window", "the same above it: invalid")
    drift_change: float = _limit(0.20, "share of the median", "trend of latency or throughput above it…")
    drift_p: float = _limit(0.01, "p-value", "…and less likely than this by chance: degraded")
    cached_share: float = _limit(0.50, "share of prompt tokens", "from the cache though no prompt is reused: degraded")
    warm_ttft: float = _limit(
        0.5, "share of the earlier TTFT p50", "TTFT p50 below it, of prompts that another run had sent: degraded"
    )
    tokens_known: float = _limit(1.0, "share of successes", "token counts known for fewer: degraded")
    long_degraded: float = _limit(0.05, "share of time in flight", "taken by long requests: more, degraded")
    silence_degraded: float = _limit(0.02, "share of the window", "silence longer, and longer than plausible: degraded")
    others_mean: float = _limit(0.10, "share of the machine's cores", "others used more on average…")
    others_peak: float = _limit(0.25, "share of the machine's cores", "…or more at p95 of the samples…")
    waiting_degraded: float = _limit(0.10, "share of the time", "…and processes waited for a core for longer…")
    busy_degraded: float = _limit(0.80, "share of the machine's cores", "…or, if unknown, more were busy: degraded")
    stolen_degraded: float = _limit(0.05, "share of CPU time", "a hypervisor gave more to others: degraded")
    throttled_degraded: float = _limit(0.05, "share of the time", "a CPU limit stopped processes for longer: degraded")
    slower_factor: float = _limit(2.0, "times p95 of a higher load", "a lower load slower, without intervals: degraded")
    cut_share: float = _limit(
        0.20, "share of answers", "ended by their limit of tokens, more than at other levels by as much: degraded"
    )
    buffered_share: float = _limit(0.05, "share of successes", "content that came at once in more: degraded")
    length_change: float = _limit(0.10, "share of the median", "mean output length off the other levels' by more…")
    length_sigmas: float = _limit(3.0, "standard errors", "…and by more than this: degraded")


def thresholds_table(thresholds: Thresholds | None = None) -> str:
    """The thresholds as a Markdown table: name, value, unit, meaning."""
    values = thresholds or Thresholds()
    lines = ["| threshold | value | unit | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{limit.name}` | {getattr(values, limit.name):g} | {limit.metadata['unit']} | {limit.metadata['meaning']} |"
        for limit in fields(values)
    ]
    return "\n".join(lines)
