"""Whether the client's own delays reach into a level's figures, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fmbench_lib.metrics.checks.host_checks import crowded
from fmbench_lib.metrics.finding import MORE_WORKERS, Finding, Level, in_seconds, time_scale
from fmbench_lib.metrics.groups.client_error import ERROR_FAMILIES
from fmbench_lib.metrics.groups.level_times import QUANTILES
from fmbench_lib.metrics.missing import Row, number
from fmbench_lib.metrics.thresholds import Thresholds


class _Error(NamedTuple):
    """The bound of the client's error in a percentile, as a share of it and in seconds."""

    share: float
    seconds: float
    family: str
    quantile: str
    figure: float


def client_delays(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """The percentile in which the client's error can be largest, if that is more than its limit."""
    errors = [
        error for error in _errors(row) if error.seconds > limits.lag_floor and error.share > _most(error, limits)
    ]
    if not errors:
        return
    worst = max(errors, key=lambda error: (_verdict(error, limits) == "invalid", error.share / _most(error, limits)))
    figure = f"{worst.family} {worst.quantile} of {in_seconds(worst.figure)}"
    bound = f"up to {in_seconds(worst.seconds)} ({worst.share:.1%})"
    wrong = f"{figure} off by {bound}" if worst.family == "ITL" else f"{figure} {bound} too long"
    verb = "put" if worst.family == "ITL" else "make"
    reason = f"the client's own delays may {verb} {wrong}{_delays(row)}"
    yield Finding(_verdict(worst, limits), f"{reason}: {remedy(row, limits)}", client=True)


def client_cpu(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """A load worker without time to spare."""
    share = number(row, "client_cpu_max")
    if share is not None and share > limits.cpu_degraded:
        yield Finding("degraded", f"a load worker used {share:.0%} of its core: {MORE_WORKERS}", client=True)


def resends(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """Requests that the endpoint's closing of idle connections made late; that is not the client's delay."""
    again, requests, wait = (number(row, name) for name in ("retried", "requests", "resend_wait_max"))
    scale = time_scale(row)
    if not again or not requests or wait is None or scale is None:
        return
    if again <= limits.resends_degraded * requests or wait <= max(limits.lag_floor, limits.lag_degraded * scale[1]):
        return
    reason = f"{again:.0f} of {requests:.0f} requests were sent again, as the endpoint had closed their idle connection"
    cost = f"which added up to {in_seconds(wait)} to their times"
    yield Finding("degraded", f"{reason}, {cost}: have it keep connections open for longer")


def remedy(row: Row, limits: Thresholds) -> str:
    """What to do about a client that is late: more workers help only where those it has are busy."""
    share = number(row, "client_cpu_max")
    if share is None:
        return "use a less busy client"
    if share > limits.cpu_degraded:
        return MORE_WORKERS
    other = "stop what else runs there" if crowded(row, limits) else "measure from a less busy or faster machine"
    return f"its busiest worker used {share:.0%} of a core, so more of them would not help, and {other}"


def _errors(row: Row) -> Iterator[_Error]:
    for family in ERROR_FAMILIES:
        for quantile in QUANTILES:
            figure = number(row, f"{family}_{quantile}")
            error = number(row, f"{family}_{quantile}_client_error")
            if figure is not None and figure > 0 and error is not None:
                yield _Error(error / figure, error, family, quantile, figure)


def _most(error: _Error, limits: Thresholds) -> float:
    return limits.itl_lag_degraded if error.family == "ITL" else limits.lag_degraded


def _verdict(error: _Error, limits: Thresholds) -> Level:
    """An error in ITL leaves the other figures right, and makes no level invalid."""
    far = error.share > limits.lag_invalid and error.seconds > limits.lag_invalid_floor
    return "invalid" if far and error.family != "ITL" else "degraded"


def _delays(row: Row) -> str:
    sent, read = number(row, "schedule_lag_p99"), number(row, "client_lag_p99")
    known = [f"{verb} {in_seconds(lag)} late" for verb, lag in (("sent", sent), ("read", read)) if lag is not None]
    return f" (at p99 it {' and '.join(known)})" if known else ""
