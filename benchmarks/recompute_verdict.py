"""The verdict of a level from its other columns, by the limits in the table of docs/metrics.md, "The verdict".

The reasons are prose and not recomputed. A new check is a function that yields what it finds and a row in `CHECKS`.
"""

from __future__ import annotations

import json
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
DEGRADING_REMARKS = ("not_streamed", "no_answer", "count_implausible")
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


def _client_error(row: Row) -> Iterator[Finding]:
    for family in ("latency", "TTFT", "ITL"):
        most = LIMITS["itl_lag_degraded" if family == "ITL" else "lag_degraded"]
        for name in ("p50", "p95", "p99"):
            figure, error = _of(row, f"{family}_{name}"), _of(row, f"{family}_{name}_client_error")
            if not (figure > 0 and error > LIMITS["lag_floor"] and error > most * figure):
                continue
            far = error > max(LIMITS["lag_invalid_floor"], LIMITS["lag_invalid"] * figure)
            yield (INVALID if far and family != "ITL" else DEGRADED), True


def _resends(row: Row) -> Iterator[Finding]:
    many = row["retried"] > LIMITS["resends_degraded"] * row["requests"]
    if many and _of(row, "resend_wait_max") > max(LIMITS["lag_floor"], LIMITS["lag_degraded"] * _scale(row)):
        yield DEGRADED, False


def _machine(row: Row) -> Iterator[Finding]:
    if row["host_machine"] != "endpoint":
        return
    cores, waiting = _of(row, "host_cores"), _of(row, "host_cpu_waiting")
    much = _of(row, "host_cores_others") > LIMITS["others_mean"] * cores
    much |= _of(row, "host_cores_others_p95") > LIMITS["others_peak"] * cores
    scarce = waiting > LIMITS["waiting_degraded"]
    if math.isnan(waiting):
        scarce = _of(row, "host_cores_busy") > LIMITS["busy_degraded"] * cores
    if much and scarce:
        yield DEGRADED, False
    for what in ("stolen", "throttled"):
        if _of(row, f"host_cpu_{what}") > LIMITS[f"{what}_degraded"]:
            yield DEGRADED, False


def _stalls(row: Row) -> Iterator[Finding]:
    if _of(row, "long_requests") > 0 and _of(row, "long_requests_share") > LIMITS["long_degraded"]:
        yield DEGRADED, False
    longest = _of(row, "silence_max")
    if longest > _of(row, "silence_plausible") and longest > LIMITS["silence_degraded"] * _of(row, "window_s"):
        yield DEGRADED, False


def _copies(row: Row) -> Iterator[Finding]:
    copies = json.loads(row["requests_by_copy"] or "{}").values()
    if any(copy["failures"] < copy["requests"] for copy in copies):
        for copy in copies:
            if copy["failures"] >= LIMITS["errors_invalid"] * copy["requests"]:
                yield DEGRADED, False


def _nodes(row: Row) -> Iterator[Finding]:
    for node in json.loads(row["requests_by_node"] or "{}").values():
        lag = node["schedule_lag_p99"] or 0.0
        late = lag > max(LIMITS["lag_floor"], LIMITS["lag_degraded"] * _scale(row))
        if node["lost"]:
            yield INVALID, True
        if node["requests"] and ((node["cpu"] or 0.0) > LIMITS["cpu_degraded"] or late):
            yield DEGRADED, True
    if _of(row, "node_clock_bound") > LIMITS["node_clock_bound"]:
        yield DEGRADED, False


def _interruptions(row: Row) -> Iterator[Finding]:
    if _of(row, "client_suspended_s") > 0:
        yield INVALID, True
    stopped = _of(row, "client_stopped_s")
    if stopped > LIMITS["stopped_degraded"]:
        little = stopped <= LIMITS["stopped_invalid"] * _of(row, "window_s")
        yield (DEGRADED if little else INVALID), True


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


def _sent_before(row: Row) -> Iterator[Finding]:
    """The prompt cache, and prompts that this run or another had sent."""
    if row["prompt_reuse"] != "never":
        return
    cached = _of(row, "cached_token_count_mean")
    if cached > LIMITS["cached_share"] * _of(row, "prompt_token_count_mean"):
        yield DEGRADED, False
    if _of(row, "resent_prompts") > 0:
        yield DEGRADED, False
    earlier = row["earlier_run"] and not math.isnan(_of(row, "earlier_run_at") + _of(row, "earlier_prompts"))
    warm = _of(row, "TTFT_p50") < LIMITS["warm_ttft"] * _of(row, "earlier_ttft_p50")
    if earlier and warm and math.isnan(cached):
        yield DEGRADED, False


def _responses(row: Row) -> Iterator[Finding]:
    """Timestamps, token counts, remarks."""
    if not row["successes"]:
        return
    if row["stamp_source"] != "kernel":
        yield DEGRADED, False
    counted = min(row["prompt_token_n"], row["completion_token_n"])
    several = any("+" in (row[f"{side}_token_source"] or "") for side in ("prompt", "completion"))
    if several or counted < LIMITS["tokens_known"] * row["successes"]:
        yield DEGRADED, False
    remarks = set(json.loads(row["remarks"]))
    if _of(row, "buffered_share") > LIMITS["buffered_share"] or remarks & set(DEGRADING_REMARKS):
        yield DEGRADED, False


def _beside_others(row: Row) -> Iterator[Finding]:
    if row["_beside_others"]:
        yield DEGRADED, False


CHECKS: tuple[Callable[[Row], Iterator[Finding]], ...] = (
    _successes, _interruptions, _client_error, _cpu, _nodes, _resends, _machine, _stalls, _in_flight, _rate, _clock,
    _errors, _copies,
    _window, _unsteady, _stopped, _sent_before, _responses, _beside_others,
)  # fmt: skip


def judged(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows, each with what was found of it by itself and beside the others."""
    result = []
    for row in rows:
        found = any(check(row, rows) for check in (_unlike, _cut, _slower))
        whole = {**row, "_beside_others": found}
        result.append({**whole, "_findings": [finding for check in CHECKS for finding in check(whole)]})
    return result


def _file_of(row: Row) -> tuple[str, str]:
    return row["experiment_name"], row["payload_file"]


def _unlike(row: Row, rows: Sequence[Row]) -> bool:
    """Whether its outputs are longer or shorter than those of the experiment's other levels."""
    same = [other for other in rows if _file_of(other) == _file_of(row)]
    means = sorted(mean for other in same if not math.isnan(mean := _of(other, "completion_token_count_mean")))
    if len(means) < 2:
        return False
    middle = (means[(len(means) - 1) // 2] + means[len(means) // 2]) / 2
    error = LIMITS["length_sigmas"] * _of(row, "completion_token_count_std") / math.sqrt(row["completion_token_n"] or 1)
    return abs(_of(row, "completion_token_count_mean") - middle) > max(error, LIMITS["length_change"] * middle)


def _cut(row: Row, rows: Sequence[Row]) -> bool:
    """Whether more of its answers ended at their limit than at the level of the payload file with the fewest."""
    same = [one for one in rows if one["payload_file"] == row["payload_file"] and _of(one, "finish_reason_n") > 0]
    if not same or not _of(row, "finish_reason_n") > 0:
        return False
    least = min(same, key=lambda one: _of(one, "length_share"))
    shares = [(_of(one, "length_share"), _of(one, "finish_reason_n")) for one in (row, least)]
    error = LIMITS["length_sigmas"] * math.sqrt(sum(share * (1 - share) / n for share, n in shares))
    return shares[0][0] - shares[1][0] > max(LIMITS["cut_share"], error)


def _slower(row: Row, rows: Sequence[Row]) -> bool:
    """Whether it was slower than a higher load of the same experiment and payload file."""
    return any(_is_higher(other, row) and _is_slower(row, other) for other in rows if _file_of(other) == _file_of(row))


def _is_higher(row: Row, than: Row) -> bool:
    for name in ("concurrency", "request_rate"):
        if not math.isnan(_of(row, name) + _of(than, name)):
            return _of(row, name) > _of(than, name)
    return False


def _is_slower(row: Row, than: Row) -> bool:
    if _of(than, "error_rate") > LIMITS["errors_degraded"]:
        return False
    low, high = _of(row, "latency_p95_low"), _of(than, "latency_p95_high")
    if math.isnan(low + high):
        return _of(row, "latency_p95") > LIMITS["slower_factor"] * _of(than, "latency_p95")
    return low > high


VERDICTS: dict[str, Callable[[Row], Cell]] = {
    "verdict": lambda row: NAMES[max((bad for bad, _ in row["_findings"]), default=0)],
    "client_limited": lambda row: any(client for _, client in row["_findings"]),
}
"""By name, the columns that judge a level."""
