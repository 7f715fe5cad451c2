"""Whether a level's numbers describe the endpoint: `valid`, `degraded` (usable, with the reason in mind) or `invalid`.

Each check looks at one thing that can spoil a measurement and says what it found and what to do. The worst finding
decides; one that is `valid` is said and spoils nothing. A small sample or a short window makes a level degraded at
most: little is known, but that little is true.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from fmbench_lib.metrics.checks.client_checks import client_cpu, client_delays, remedy, resends
from fmbench_lib.metrics.checks.host_checks import other_programs, withheld_cores
from fmbench_lib.metrics.checks.interruption_checks import parts, stopped_client, suspension
from fmbench_lib.metrics.checks.node_checks import busy_nodes, lost_nodes, node_clocks
from fmbench_lib.metrics.checks.stall_checks import long_requests, silence
from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.content_checks import content_findings, token_findings
from fmbench_lib.metrics.finding import (
    GREATER_CAP,
    MEASURE_LONGER,
    MORE_PROMPTS,
    OFFER_LESS,
    SEE_ERRORS,
    SEVERAL_TIMES,
    SEVERITY,
    WARM_UP,
    WARM_UP_OR_LESS,
    Finding,
    Level,
    Remedy,
    as_long,
    in_seconds,
    time_scale,
    with_remedy,
)
from fmbench_lib.metrics.groups.attempts import sent_before, sent_by_earlier_run
from fmbench_lib.metrics.groups.copies import copy_counts
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.reasons import REASON_SEPARATOR
from fmbench_lib.metrics.thresholds import Thresholds

VERDICT = (
    Column("client_limited", "", "flag", "whether the client was a reason for the verdict"),
    Column("verdict", "", "text", "`valid`, `degraded` or `invalid`"),
    Column("verdict_reasons", "", "text", f"the reasons, the weightiest first, separated by `{REASON_SEPARATOR}`"),
    Column(
        "verdict_remedy",
        "",
        "text",
        "the setting that mends the first of them, as `load.requests: 72`; empty where no setting alone does",
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict, its reasons, the weightiest first, whether the client (not the endpoint) was one of them, and the
    remedy of the first, None where no setting alone mends it."""

    verdict: Level
    reasons: tuple[str, ...] = ()
    client_limited: bool = False
    remedy: Remedy | None = None


_ENDED_BY = {
    "error_rate": SEE_ERRORS,
    "saturation": f"the endpoint did not keep up, so {OFFER_LESS}",
}

Check: TypeAlias = Callable[[Row, Thresholds], Iterator[Finding]]


def verdict_columns(row: Row, thresholds: Thresholds) -> Cells:
    """The columns `VERDICT` of a row."""
    result = verdict(row, thresholds)
    return {
        "client_limited": result.client_limited,
        "verdict": result.verdict,
        "verdict_reasons": REASON_SEPARATOR.join(result.reasons) or None,
        "verdict_remedy": None if result.remedy is None else result.remedy.setting,
    }


def verdict(row: Row, thresholds: Thresholds | None = None) -> Verdict:
    """Judge a level by its row.

    A missing value is not held against the level, unless what it counts is missing: no request, no success, no window,
    no kernel timestamps.
    """
    limits = thresholds or Thresholds()
    findings = [finding for check in CHECKS for finding in check(row, limits)]
    findings.sort(key=lambda finding: -SEVERITY[finding.verdict])
    worst: Level = findings[0].verdict if findings else "valid"
    return Verdict(
        worst,
        tuple(finding.reason for finding in findings),
        any(finding.client for finding in findings),
        findings[0].remedy if findings else None,
    )


def _successes(row: Row, limits: Thresholds) -> Iterator[Finding]:
    requests, successes = number(row, "requests") or 0, number(row, "successes") or 0
    if not requests:
        yield Finding("invalid", "no request was sent in the window, so nothing was measured: look at the level's log")
    elif not successes:
        yield Finding("invalid", f"none of {requests:.0f} requests succeeded: {SEE_ERRORS}")
    if not successes:
        return
    longer = number(row, "latency_longer") or 1
    if successes < limits.successes_least:
        least = max(limits.successes_least, math.ceil(successes * longer))
        few = "1 success is" if successes == 1 else f"{successes:.0f} successes are"
        reason = f"{few} too few for a confidence interval of p95"
        yield with_remedy("degraded", reason, Remedy("load.requests", least))
    elif longer > 1:
        effective = number(row, "latency_effective_n") or 0
        why = f"{successes:.0f} successes tell as much as {effective:.0f} independent ones"
        if effective >= limits.effective_least:
            why = "the queue was in too few independent states"
        yield Finding("valid", f"p95 has no interval, as {why}: {as_long(longer)}")


def _window(row: Row, limits: Thresholds) -> Iterator[Finding]:
    seconds, latency = number(row, "window_s"), number(row, "latency_p50")
    if seconds is None:
        why = "the window has no length, so there is no throughput: send more requests"
        if text(row, "imported_from"):
            why = "the file does not say over which time its requests were sent, so there is no throughput"
        yield Finding("degraded", why)
        return
    least = max(limits.window_least, limits.window_latencies * (latency or 0))
    if seconds < least:
        reason = f"a window of {seconds:.3g} s is short beside its edges"
        least += number(row, "steady_after_s") or 0
        yield with_remedy("degraded", reason, Remedy("load.duration", math.ceil(least)))


def _growth(row: Row, _limits: Thresholds) -> Iterator[Finding]:
    start, end = number(row, "in_flight_start"), number(row, "in_flight_end")
    if text(row, "sustainable") != "no" or start is None or end is None:
        return
    reason = f"requests in flight grew from {start:.0f} to {end:.0f}, as the endpoint cannot sustain this rate"
    yield Finding("degraded", f"{reason} (latency is that of a queue, and grows with the window): {OFFER_LESS}")


def _littles_law(row: Row, limits: Thresholds) -> Iterator[Finding]:
    off, in_flight, requests = (number(row, name) for name in ("littles_law", "mean_in_flight", "requests"))
    if off is None or in_flight is None or not requests or text(row, "sustainable") == "no":
        return
    if abs(off) <= max(limits.little_degraded, limits.little_edges * math.sqrt(2 * in_flight) / requests):
        return
    reason = f"{in_flight:.3g} requests in flight are {abs(off):.1%} {'more' if off > 0 else 'fewer'}"
    reason = f"{reason} than their rate times their mean time (Little's law), so the level was not steady"
    yield Finding("degraded", f"{reason}: {WARM_UP}")


def _errors(row: Row, limits: Thresholds) -> Iterator[Finding]:
    rate = number(row, "error_rate")
    if rate is None or rate <= limits.errors_degraded or not number(row, "successes"):
        return
    worst: Level = "invalid" if rate >= limits.errors_invalid else "degraded"
    reason = f"{rate:.1%} of the requests failed, and latency is that of the others"
    yield Finding(worst, f"{reason}: {SEE_ERRORS}")


def _copies(row: Row, limits: Thresholds) -> Iterator[Finding]:
    counted = copy_counts(row)
    if all(copy.requests == copy.failures for copy in counted):
        return
    for copy in counted:
        if copy.failures < limits.errors_invalid * copy.requests:
            continue
        total = sum(each.requests for each in counted)
        reason = f"the copy {copy.address} failed {copy.failures} of its {copy.requests} requests, of {total} in all"
        yield Finding("degraded", f"{reason}, so the figures are those of the others: repair it, or leave it out")


def _in_flight(row: Row, limits: Thresholds) -> Iterator[Finding]:
    wanted, actual = number(row, "concurrency"), number(row, "mean_in_flight")
    if not wanted or actual is None:
        return
    requested = number(row, "requested")
    if requested is not None and requested < wanted:
        reason = f"{requested:.0f} requests cannot keep {wanted:.0f} in flight"
        yield Finding("degraded", f"{reason}: {SEVERAL_TIMES}")
        return
    think, busy = number(row, "think_time") or 0, number(row, "busy_s_mean")
    if think:
        if busy is None:
            return
        wanted *= busy / (busy + think)  # a slot that thinks has no request in flight
    off = abs(actual - wanted) / wanted
    if off <= limits.in_flight_degraded:
        return
    # Failures end at once and open gaps that are the endpoint's doing, not the client's.
    failing = (number(row, "error_rate") or 0) > 0
    worst: Level = "invalid" if off > limits.in_flight_invalid and not failing else "degraded"
    cause = "look at connection set-up and at the client's CPU" if actual < wanted else "more than the slots allow"
    cause = "failing requests leave gaps" if failing and actual < wanted else cause
    yield Finding(worst, f"{actual:.3g} requests were in flight of {wanted:.3g} asked: {cause}", client=not failing)


def _offered_rate(row: Row, limits: Thresholds) -> Iterator[Finding]:
    rate, seconds, sent = number(row, "scheduled_rate"), number(row, "window_s"), number(row, "requests")
    if rate is None or seconds is None or sent is None:
        return
    if abs(sent - rate * seconds) <= max(limits.rate_degraded * rate * seconds, 1):
        return
    reason = f"{sent / seconds:.3g} requests/s were sent of {rate:.3g} scheduled"
    cap, wait = number(row, "max_concurrency"), number(row, "cap_wait_mean")
    if cap is None or not wait:
        yield Finding("degraded", f"{reason}: {remedy(row, limits)}", client=True)
        return
    reason = (
        f"{reason}, as the cap of {cap:.0f} in flight was reached and the others waited {in_seconds(wait)} on average"
    )
    yield Finding("degraded", f"{reason} (part of their latency): {GREATER_CAP}")


def _stamps(row: Row, limits: Thresholds) -> Iterator[Finding]:
    source = text(row, "stamp_source")
    if source != "kernel" and number(row, "successes"):
        origin = f"arrival times come from {source or 'an unknown clock'}, not from the kernel alone"
        yield Finding("degraded", f"{origin}, and hold the client's own delays: measure from Linux")


def _clock(row: Row, limits: Thresholds) -> Iterator[Finding]:
    negative = number(row, "negative_times")
    if negative:
        yield Finding(
            "invalid",
            f"{negative:.0f} times are negative, so the clock was set back: measure again",
        )
    step, scale = number(row, "clock_step_s"), time_scale(row)
    if step is None or scale is None:
        return
    size, (name, time) = abs(step), scale
    if size > max(limits.clock_floor, limits.clock_degraded * time):
        worst: Level = "invalid" if size > max(limits.clock_floor, limits.clock_invalid * time) else "degraded"
        yield Finding(
            worst, f"the clock was set by {in_seconds(size)}, beside a {name} p50 of {in_seconds(time)}: measure again"
        )


def _drift(row: Row, limits: Thresholds) -> Iterator[Finding]:
    for what in ("latency", "throughput"):
        change, chance = number(row, f"{what}_drift"), number(row, f"{what}_drift_p")
        if change is None or chance is None or chance >= limits.drift_p or abs(change) <= limits.drift_change:
            continue
        if text(row, "sustainable") == "no":
            continue
        reason = f"{what} {'rose' if change > 0 else 'fell'} by {abs(change):.0%} over the window (p = {chance:.2g})"
        yield Finding("degraded", f"{reason}, it was not steady: {WARM_UP_OR_LESS}")


def _steady(row: Row, limits: Thresholds) -> Iterator[Finding]:
    reached = row.get("steady")
    if reached is None or reached or text(row, "sustainable") == "no" or any(_drift(row, limits)):
        return
    reason = "the latencies never became steady, and nothing tells which of them are the endpoint's at this load"
    yield Finding("degraded", f"{reason}: {WARM_UP}")


def _stopped(row: Row, limits: Thresholds) -> Iterator[Finding]:
    reason, requested, sent = text(row, "stop_reason"), number(row, "requested"), number(row, "requests") or 0
    if reason == "prompts":
        of = f" of {requested:.0f} asked" if requested is not None else ""
        yield Finding("degraded", f"the prompts ran out after {sent:.0f} requests{of}: {MORE_PROMPTS}")
    elif reason == "interrupted":
        yield Finding("degraded", "the level was interrupted: measure it again")
    elif reason in _ENDED_BY:
        note = text(row, "stop_note") or reason
        yield Finding("degraded", f"the level was ended early, as {note}: {_ENDED_BY[reason]}")
    until = text(row, "until")
    if until is not None and reason in ("requests", "duration", "prompts"):
        yield Finding("degraded", f"it ended by its {reason} before {until} was known: {MEASURE_LONGER}")
    outside = number(row, "requests_outside_window")
    if outside:
        reason = f"{outside:.0f} measured requests were sent outside the window and are not counted"
        yield Finding("degraded", f"{reason}: measure again")


def _cache(row: Row, limits: Thresholds) -> Iterator[Finding]:
    cached, prompt = number(row, "cached_token_count_mean"), number(row, "prompt_token_count_mean")
    if text(row, "prompt_reuse") != "never" or not cached or not prompt:
        return
    if cached > limits.cached_share * prompt:
        why, by = "no prompt was sent twice, yet", sent_by_earlier_run(row)
        why, what = (why, "look for a common start") if by is None else (f"{by}, and", "restart the endpoint")
        took = f"{why} the server took {cached / prompt:.0%} of their tokens from its cache"
        yield Finding("degraded", f"{took}, which makes TTFT shorter than that of new prompts: {what}")


CHECKS: tuple[Check, ...] = (
    _successes,
    suspension,
    stopped_client,
    client_delays,
    client_cpu,
    lost_nodes,
    busy_nodes,
    node_clocks,
    resends,
    other_programs,
    withheld_cores,
    long_requests,
    silence,
    _in_flight,
    _offered_rate,
    _clock,
    _errors,
    _copies,
    _window,
    _growth,
    _littles_law,
    _drift,
    _steady,
    _stopped,
    parts,
    _cache,
    sent_before,
    _stamps,
    token_findings,
    content_findings,
)
"""Every check, in the order in which reasons of equal severity are listed. A new one is a function and a line here."""

CHECKS_OF_RECORDS: tuple[Check, ...] = (
    _successes,
    _in_flight,
    _clock,
    _errors,
    _window,
    _growth,
    _littles_law,
    _drift,
    _steady,
)
"""Those that hold for single requests whoever measured them, and say nothing of fmbench's own client."""
