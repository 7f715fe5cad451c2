"""The verdict of a level from its other columns, by the limits in the table of docs/metrics.md, "The verdict".

The reasons are prose and not recomputed. A new check is a function that yields what it finds and a row in `CHECKS`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from recompute_reading import Cell

Row = Mapping[str, Any]
Finding = tuple[int, bool]
"""How bad it is, an index of `NAMES`, and whether it is the client's doing."""

NAMES = ("valid", "degraded", "invalid")
DEGRADED, INVALID = 1, 2
DOCS = Path(__file__).parents[1] / "docs" / "metrics.md"


def _limits() -> dict[str, float]:
    table = DOCS.read_text(encoding="utf-8").split("<!-- generated: thresholds -->")[1].split("<!-- end -->")[0]
    return {name: float(value) for name, value in re.findall(r"^\| `(\w+)` \| ([\d.e-]+) \|", table, re.MULTILINE)}


LIMITS = _limits()


def _of(row: Row, name: str) -> float:
    value = row.get(name)
    return math.nan if value is None else float(value)


def _grows(row: Row) -> bool:
    return row["sustainable"] == "no"


def _scale(row: Row) -> float:
    """TTFT p50, or latency p50 where nothing streams."""
    ttft = _of(row, "TTFT_p50")
    return ttft if ttft > 0 else _of(row, "latency_p50")


def _successes(row: Row) -> Iterator[Finding]:
    if not row["successes"]:
        yield INVALID, False
    elif row["successes"] < LIMITS["successes_least"]:
        yield DEGRADED, False


def _lag(row: Row, name: str) -> Iterator[Finding]:
    lag, scale = _of(row, name), _scale(row)
    if lag > max(LIMITS["lag_floor"], LIMITS["lag_degraded"] * scale):
        yield (INVALID if lag > max(LIMITS["lag_invalid_floor"], LIMITS["lag_invalid"] * scale) else DEGRADED), True


def _lags(row: Row) -> Iterator[Finding]:
    yield from _lag(row, "schedule_lag_p99")
    found = list(_lag(row, "client_lag_p99"))
    yield from found
    gap = _of(row, "ITL_p50")
    late = _of(row, "client_lag_p99") > max(LIMITS["lag_floor"], LIMITS["itl_lag_degraded"] * gap)
    if late and not found and not math.isnan(gap):
        yield DEGRADED, True


def _cpu(row: Row) -> Iterator[Finding]:
    if _of(row, "client_cpu_max") > LIMITS["cpu_degraded"]:
        yield DEGRADED, True


def _in_flight(row: Row) -> Iterator[Finding]:
    wanted, think, busy = _of(row, "concurrency"), _of(row, "think_time"), _of(row, "busy_s_mean")
    if _of(row, "requested") < wanted:
        yield DEGRADED, False
        return
    if think > 0:
        wanted *= busy / (busy + think)
    off, failing = abs(_of(row, "mean_in_flight") - wanted) / wanted, _of(row, "error_rate") > 0
    if off > LIMITS["in_flight_degraded"]:
        yield (INVALID if off > LIMITS["in_flight_invalid"] and not failing else DEGRADED), not failing


def _rate(row: Row) -> Iterator[Finding]:
    scheduled = _of(row, "scheduled_rate") * _of(row, "window_s")
    if abs(row["requests"] - scheduled) > max(LIMITS["rate_degraded"] * scheduled, 1):
        capped = row["max_concurrency"] is not None and _of(row, "cap_wait_mean") > 0
        yield DEGRADED, not capped


def _clock(row: Row) -> Iterator[Finding]:
    if row["negative_times"]:
        yield INVALID, False
    step, scale = abs(_of(row, "clock_step_s")), _scale(row)
    if step > max(LIMITS["clock_floor"], LIMITS["clock_degraded"] * scale):
        yield (INVALID if step > max(LIMITS["clock_floor"], LIMITS["clock_invalid"] * scale) else DEGRADED), False


def _errors(row: Row) -> Iterator[Finding]:
    rate = _of(row, "error_rate")
    if rate > LIMITS["errors_degraded"] and row["successes"]:
        yield (INVALID if rate >= LIMITS["errors_invalid"] else DEGRADED), False


def _window(row: Row) -> Iterator[Finding]:
    latency = _of(row, "latency_p50")
    least = max(LIMITS["window_least"], 0.0 if math.isnan(latency) else LIMITS["window_latencies"] * latency)
    if not _of(row, "window_s") >= least:
        yield DEGRADED, False


def _unsteady(row: Row) -> Iterator[Finding]:
    """A queue that grows, else Little's law, a drift, or latencies that never became steady."""
    if _grows(row):
        yield DEGRADED, False
        return
    edges = LIMITS["little_edges"] * math.sqrt(2 * _of(row, "mean_in_flight")) / max(row["requests"], 1)
    if abs(_of(row, "littles_law")) > max(LIMITS["little_degraded"], edges):
        yield DEGRADED, False
    for what in ("latency", "throughput"):
        change, chance = _of(row, f"{what}_drift"), _of(row, f"{what}_drift_p")
        if chance < LIMITS["drift_p"] and abs(change) > LIMITS["drift_change"]:
            yield DEGRADED, False
    if row["steady"] is False:
        yield DEGRADED, False


def _stopped(row: Row) -> Iterator[Finding]:
    early = row["stop_reason"] in ("prompts", "interrupted", "error_rate", "saturation")
    imprecise = row["until"] is not None and row["stop_reason"] in ("requests", "duration", "prompts")
    if early or imprecise or row["requests_outside_window"]:
        yield DEGRADED, False


def _responses(row: Row) -> Iterator[Finding]:
    """The prompt cache, timestamps, token counts."""
    cached = _of(row, "cached_token_count_mean") > LIMITS["cached_share"] * _of(row, "prompt_token_count_mean")
    if row["prompt_reuse"] == "never" and cached:
        yield DEGRADED, False
    if row["stamp_source"] != "kernel" and row["successes"]:
        yield DEGRADED, False
    counted = min(row["prompt_token_n"], row["completion_token_n"])
    if row["successes"] and ("+" in (row["token_source"] or "") or counted < LIMITS["tokens_known"] * row["successes"]):
        yield DEGRADED, False


def _length(row: Row) -> Iterator[Finding]:
    if row["_unlike_the_others"]:
        yield DEGRADED, False


CHECKS: tuple[Callable[[Row], Iterator[Finding]], ...] = (
    _successes, _lags, _cpu, _in_flight, _rate, _clock, _errors, _window, _unsteady, _stopped, _responses, _length,
)  # fmt: skip


def judged(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows, each with what was found of it and whether its outputs are unlike those of the experiment's others."""
    result = []
    for row in rows:
        same = [other for other in rows if _file_of(other) == _file_of(row)]
        whole = {**row, "_unlike_the_others": _unlike(row, same)}
        result.append({**whole, "_findings": [finding for check in CHECKS for finding in check(whole)]})
    return result


def _file_of(row: Row) -> tuple[str, str]:
    return row["experiment_name"], row["payload_file"]


def _unlike(row: Row, same: Sequence[Row]) -> bool:
    means = sorted(mean for other in same if not math.isnan(mean := _of(other, "completion_token_count_mean")))
    if len(means) < 2:
        return False
    middle = (means[(len(means) - 1) // 2] + means[len(means) // 2]) / 2
    error = LIMITS["length_sigmas"] * _of(row, "completion_token_count_std") / math.sqrt(row["completion_token_n"] or 1)
    return abs(_of(row, "completion_token_count_mean") - middle) > max(error, LIMITS["length_change"] * middle)


VERDICTS: dict[str, Callable[[Row], Cell]] = {
    "verdict": lambda row: NAMES[max((bad for bad, _ in row["_findings"]), default=0)],
    "client_limited": lambda row: any(client for _, client in row["_findings"]),
}
"""By name, the columns that judge a level."""
