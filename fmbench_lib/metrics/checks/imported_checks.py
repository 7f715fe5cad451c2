"""What another tool's figures say of themselves: counts that are small or missing, rates that do not follow from count
and time, means of what was no answer, gaps that are not of tokens. Each finding has the corrected figure where it
follows from the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from fmbench_lib.metrics.finding import Finding, in_seconds
from fmbench_lib.metrics.groups.counts import errors_by_class
from fmbench_lib.metrics.groups.level_times import FAMILIES
from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.metrics.thresholds import Thresholds

_OFF = 0.01
"""Figures that differ by no more than this share follow from each other."""
_BATCH_OFF = 0.05
"""The same where the tool rounds and averages rates."""
_BEYOND = 1.5
"""A rate that is off by more than this factor makes every price wrong."""
_FULL = 0.8
"""Less than this share of the requests asked were in flight: the load was another one."""
_BURST = 0.2
"""An ITL p50 below this share of the mean: tokens came several in one read."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an imported level beside its columns.

    `values`: figures without a column, in our units: `latency_max` (of any family), `total_prompt_tokens`,
    `total_completion_tokens`, `completion_tokens_min`, `send_duration_s`, `sent_rate`, `send_delay_mean`,
    `send_delay_p95`, `tokens_per_event`, `batch_rounding` · `printed`: what the tool printed, by column · `requests`:
    how many single requests the file has · `clock`: whether their moments are known.
    """

    values: Mapping[str, float]
    printed: Mapping[str, float]
    requests: int = 0
    clock: bool = False

    def get(self, name: str) -> float | None:
        """A figure of `values`, None where it is not known."""
        return self.values.get(name)


ImportedCheck: TypeAlias = Callable[[Row, Evidence, Thresholds], Iterator[Finding]]


def _client(_row: Row, evidence: Evidence, _limits: Thresholds) -> Iterator[Finding]:
    """What cannot be known of any file: how late the tool's own client was."""
    times = "" if evidence.clock or not evidence.requests else ", and the file has no moments of requests"
    yield Finding("valid", f"measured by another tool, whose client's own delays are not known{times}")


def _number_of_requests(row: Row, evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    successes = number(row, "successes")
    if successes is None:
        yield Finding("degraded", "the file does not say of how many requests its figures are")
    elif successes == 0:
        yield Finding("invalid", "the file has no successful request")
    elif not evidence.requests and successes < limits.successes_least:
        what = f"percentiles of {successes:.0f} requests"
        yield Finding("degraded", f"{what}, too few for a confidence interval of p95: {limits.successes_least} or more")


def _maxima(row: Row, evidence: Evidence, _limits: Thresholds) -> Iterator[Finding]:
    """p99 that is the greatest value, and percentiles that are all one value."""
    successes = number(row, "successes")
    greatest = [
        family
        for family in FAMILIES
        if (most := evidence.get(f"{family}_max")) is not None
        and (p99 := evidence.printed.get(f"{family}_p99")) is not None
        and abs(p99 - most) <= 1e-9 * most
    ]
    if greatest:
        of = f" of {successes:.0f} requests" if successes else ""
        yield Finding("degraded", f"p99 of {', '.join(greatest)} is the greatest value{of}, so no percentile")
    for family in FAMILIES:
        values = {evidence.printed.get(f"{family}_{q}") for q in ("p50", "p95", "p99")}
        if len(values) == 1 and None not in values and not evidence.requests:
            yield Finding("degraded", f"{family} p50, p95 and p99 are one value, as of a single request")


def _rate(row: Row, evidence: Evidence, _limits: Thresholds) -> Iterator[Finding]:
    """The rates against count and duration."""
    printed, done, seconds = (
        evidence.printed.get(name) for name in ("transactions_per_second", "successes", "window_s")
    )
    if printed is not None and done and seconds and _apart(printed, done / seconds, _OFF):
        counted = f"{done:.0f} completed in {seconds:.4g} s are {done / seconds:.4g}/s"
        what = f"its {printed:.4g} requests/s do not follow from count and duration: {counted}"
        beyond = max(printed, done / seconds) > _BEYOND * min(printed, done / seconds)
        yield Finding("invalid" if beyond else "degraded", what)
    for side in ("prompt", "completion"):
        total, rate = evidence.get(f"total_{side}_tokens"), evidence.printed.get(f"{side}_token_throughput")
        if total and rate is not None and seconds and _apart(rate, total / seconds, _OFF):
            counted = f"{total:.0f} in {seconds:.4g} s are {total / seconds:.4g}/s"
            yield Finding(
                "degraded", f"its {rate:.4g} {side} tokens/s do not follow from count and duration: {counted}"
            )


def _token_rates(row: Row, evidence: Evidence, _limits: Thresholds) -> Iterator[Finding]:
    """Token rates that are not the rate of requests times their tokens."""
    per_minute = evidence.printed.get("transactions_per_minute")
    per_second = evidence.printed.get("transactions_per_second", None if per_minute is None else per_minute / 60)
    done, seconds = evidence.printed.get("successes"), evidence.printed.get("window_s")
    per_second = done / seconds if done and seconds else per_second
    allowed = _BATCH_OFF if evidence.get("batch_rounding") else _OFF
    for side in ("prompt", "completion"):
        rate, mean = (evidence.printed.get(f"{side}_token_{what}") for what in ("throughput", "count_mean"))
        known = evidence.get(f"total_{side}_tokens") is not None and evidence.printed.get("window_s") is not None
        if per_second is None or rate is None or not mean or known or not _apart(rate, per_second * mean, allowed):
            continue
        product = f"{60 * per_second:.4g} requests a minute × {mean:.4g} tokens are {per_second * mean:.4g}/s"
        yield Finding("degraded", f"its {rate:.4g} {side} tokens/s do not follow from its other figures: {product}")


def _in_flight(row: Row, evidence: Evidence, _limits: Thresholds) -> Iterator[Finding]:
    """Little's law: rate × mean time is the requests in flight, at most as many as there were slots, and about that."""
    slots, per_second, mean = (number(row, name) for name in ("concurrency", "transactions_per_second", "latency_mean"))
    mean = mean if mean is not None else number(row, "latency_p50")
    if not slots or per_second is None or not mean or number(row, "mean_in_flight") is not None:
        return
    flying = per_second * mean
    needs = f"{60 * per_second:.4g} requests a minute of {in_seconds(mean)} are {flying:.3g} in flight"
    if flying > slots * (1 + _BATCH_OFF):
        most = f"at most {60 * slots / mean:.3g} a minute are possible"
        yield Finding(
            "degraded", f"{needs}, of {slots:.0f}: {most}, so its throughput is too high and its price too low"
        )
    elif flying < _FULL * slots:
        yield Finding("degraded", f"{needs}, of {slots:.0f} asked, so this is not the endpoint under that load")


def fell_behind(row: Row, evidence: Evidence, limits: Thresholds) -> bool:
    """Whether the tool sent fewer requests per second than it was asked to, as they waited to be sent."""
    asked, sent = number(row, "request_rate"), evidence.get("sent_rate")
    return bool(asked) and sent is not None and asked is not None and sent < (1 - limits.rate_degraded) * asked


def _behind(row: Row, evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """A rate that was not sent, or not answered: waits that no latency of the tool holds."""
    asked, sent = number(row, "request_rate"), evidence.get("sent_rate")
    delay, latency = evidence.get("send_delay_mean"), number(row, "latency_mean")
    if fell_behind(row, evidence, limits):
        what = f"{sent or 0:.4g} requests/s were sent of {asked or 0:.4g} asked"
        if delay is None or latency is None:
            yield Finding("degraded", f"{what}, so the load was another one", client=True)
            return
        true = f"{in_seconds(delay)} on average that its latency leaves out: from when they were due it is"
        yield Finding("degraded", f"{what}, each late by {true} {in_seconds(latency + delay)}", client=True)
        return
    done, seconds, tail = number(row, "requests"), number(row, "window_s"), number(row, "latency_p99") or latency
    if sent is None and asked and done and seconds and tail and seconds > 1.25 * done / asked + 2 * tail:
        what = f"{done:.0f} requests at {asked:.4g}/s take {done / asked:.4g} s, and it took {seconds:.4g} s"
        yield Finding("degraded", f"{what}: the endpoint or the client did not keep up, so the load was another one")


def _errors(row: Row, evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    share, errors = number(row, "error_rate"), number(row, "errors")
    empty = errors_by_class(row).get("empty", 0)
    if share is None:
        yield Finding("degraded", "the file does not say whether requests failed, and errors may be left out")
    elif share > limits.errors_degraded and not evidence.requests:
        counted = f" ({errors:.0f})" if errors else ""
        worst: Finding = Finding(
            "degraded", f"{share:.1%} of the requests failed{counted}, and latency is of the others"
        )
        yield Finding("invalid", worst.reason) if share >= limits.errors_invalid else worst
    if empty:
        means = [_corrected(row, evidence, name) for name in ("TTFT_mean", "latency_mean", "TPOT_mean")]
        told = "".join(f", {text}" for text in means if text)
        what = f"{empty} 'completed' request{'s' if empty > 1 else ''} without a token in the tool's counts and means"
        yield Finding("degraded", f"{what}{told}")
    if evidence.get("completion_tokens_min") == 0 and not evidence.requests:
        yield Finding("degraded", "at least one 'success' has no token, and is in the means and percentiles")


def _corrected(row: Row, evidence: Evidence, name: str) -> str | None:
    ours, theirs = number(row, name), evidence.printed.get(name)
    if ours is None or theirs is None or not _apart(theirs, ours, _OFF):
        return None
    return f"without it {name.replace('_', ' ')} is {in_seconds(ours)}, not {in_seconds(theirs)}"


def _gaps(row: Row, evidence: Evidence, _limits: Thresholds) -> Iterator[Finding]:
    """Gaps between chunks that are called gaps between tokens."""
    gap, middle, per_token = (number(row, name) for name in ("ITL_mean", "ITL_p50", "TPOT_mean"))
    if gap is None:
        return
    if per_token and gap > 1.1 * per_token:
        what = f"its inter-token latency of {in_seconds(gap)} is of chunks of about {gap / per_token:.2g} tokens"
        yield Finding("valid", f"{what}, a token took {in_seconds(per_token)} (TPOT)")
    if middle is not None and 0 <= middle < _BURST * gap:
        what = f"half of its inter-token latencies are below {in_seconds(middle)}, beside a mean of {in_seconds(gap)}"
        yield Finding("valid", f"{what}: several tokens came in one read, so its percentiles are of reads (see TPOT)")


def _parts(row: Row, _evidence: Evidence, _limits: Thresholds) -> Iterator[Finding]:
    """A latency that is shorter than its parts; a mean of TPOT over answers of several lengths allows for much."""
    latency, first, per_token, tokens = (
        number(row, name) for name in ("latency_mean", "TTFT_mean", "TPOT_mean", "completion_token_count_mean")
    )
    if latency is None or first is None:
        return
    rest = (per_token or 0.0) * max((tokens or 1) - 1, 0)
    what = f"its latency of {in_seconds(latency)} is shorter than its parts: TTFT alone takes {in_seconds(first)}"
    if latency < first * (1 - _OFF):
        yield Finding("invalid", what)
    elif latency < first + rest / 2:
        yield Finding("degraded", f"{what}, and {tokens or 0:.4g} tokens at its TPOT {in_seconds(rest)}")


def _apart(value: float, other: float, share: float) -> bool:
    return abs(value - other) > share * abs(other)


IMPORTED_CHECKS: tuple[ImportedCheck, ...] = (
    _number_of_requests,
    _parts,
    _errors,
    _maxima,
    _rate,
    _token_rates,
    _in_flight,
    _behind,
    _gaps,
    _client,
)
"""Every check of imported levels, in the order in which reasons of equal severity are listed."""
