"""The row of a level that was measured several times, from all of its repeats.

What can be counted or ordered is taken over the requests of all repeats, as within one: percentiles are not averaged.
Rates are the work of all windows over their length. What describes how a repeat went is the common value of all, or
missing; of what can spoil a measurement the worst counts, and so does the worst verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from fmbench_lib.config.repeat_names import split_repeat
from fmbench_lib.metrics.columns import Cell, Cells, Column
from fmbench_lib.metrics.finding import SEVERITY, remedy_of
from fmbench_lib.metrics.groups.answer_lengths import answer_lengths
from fmbench_lib.metrics.groups.client_error import client_error
from fmbench_lib.metrics.groups.contents import contents
from fmbench_lib.metrics.groups.copies import copies
from fmbench_lib.metrics.groups.counts import counts
from fmbench_lib.metrics.groups.energy import energy_columns
from fmbench_lib.metrics.groups.goodput import goodput
from fmbench_lib.metrics.groups.last_tokens import last_token_columns
from fmbench_lib.metrics.groups.level_times import ALL_QUANTILES, INTERVAL_FAMILIES, OrderedTimes, times_from_sent
from fmbench_lib.metrics.groups.stalls import stalls
from fmbench_lib.metrics.groups.tokens import billed_tokens, mean_of_known, token_counts
from fmbench_lib.metrics.groups.transport import lags, transport
from fmbench_lib.metrics.level_sample import LevelSample, Steadiness, sample_with_events
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.metrics.missing import NAN, Row, floats, number, or_nan, text
from fmbench_lib.metrics.prices import price_columns
from fmbench_lib.metrics.reasons import REASON_SEPARATOR
from fmbench_lib.metrics.stacked_columns import missing_column, stacked
from fmbench_lib.metrics.statistics.hierarchical import RepeatFigure, repeated_interval
from fmbench_lib.metrics.statistics.percentiles import percentiles
from fmbench_lib.metrics.statistics.ragged import Ragged
from fmbench_lib.pricing.price_list import PriceList

_SPREAD = {"latency_p95": "s", "TTFT_p95": "s", "transactions_per_minute": "1/min", "price_per_10k_txn": "USD"}
REPEATS = (
    Column("repeats", "", "whole number", "how often the level was measured"),
    *(
        Column(f"{name}_repeat_{what}", unit, "number", f"{meaning} of the repeats' figures")
        for name, unit in _SPREAD.items()
        for what, meaning in (("min", "least"), ("max", "greatest"), ("std", "standard deviation"))
    ),
)
"""How many repeats a level has, and how far they lie apart; empty for a level that was measured once."""

_OF_ALL_REQUESTS = (
    *(counts, token_counts, contents, answer_lengths, billed_tokens, copies),
    *(lags, client_error, transport, stalls, goodput, times_from_sent),
)
"""What is measured of the requests of all repeats together."""

_SUMS = (
    *("completions_in_window", "requested", "window_s", "level_s", "requests_outside_window"),
    *("resent_prompts", "earlier_prompts", "energy_joules", "energy_s", "energy_transactions"),
)
_RATES = (
    *("prompt_token_throughput", "completion_token_throughput", "transactions_per_second", "transactions_per_minute"),
    *("mean_in_flight", "goodput", "goodput_tokens"),
    *("scheduled_rate", "offered_rate", "sent_rate", "completed_rate"),
)
_RATES_WITH_INTERVALS = ("transactions_per_minute", "completion_token_throughput")
_WORST = (
    *(
        "client_cpu_max",
        "clock_step_s",
        "client_stopped_s",
        "client_suspended_s",
        "parts",
        "parts_gap_s",
        "littles_law",
        "steady_after_s",
    ),
    *("host_cores_busy", "host_cores_others", "host_cores_others_p95"),
    *("host_cpu_waiting", "host_cpu_stolen", "host_cpu_throttled"),
)


def pooled_measures(samples: Sequence[LevelSample]) -> Cells:
    """What the requests of all repeats of a level give, from their samples."""
    together = _together(samples)
    row: Cells = {}
    for measure in _OF_ALL_REQUESTS:
        row |= measure(together)
    for kind in ("prompt", "completion"):
        row[f"{kind}_token_count_mean"] = mean_of_known(floats(together.successes, f"{kind}_tokens"))
    return row | _times(samples)


def pooled_row(measures: Cells, rows: Sequence[Row], prices: PriceList) -> Cells:
    """The columns `SUMMARY` and `REPEATS` over the repeats of a level: their `pooled_measures`, and their own rows.

    Intervals are those of `hierarchical`. A load is sustainable only if it was in every repeat.
    """
    row: Cells = {column.name: _common(rows, column) for column in SUMMARY}
    row |= measures
    row |= {name: _sum(rows, name) for name in _SUMS} | {name: _rate(rows, name) for name in _RATES}
    row |= {name: _worst(rows, name) for name in _WORST}
    row |= _sustainability(rows) | _verdict(rows) | _silence(rows)
    row |= _rate_intervals(rows, row)
    row |= price_columns(row, prices) | last_token_columns(row) | energy_columns(row)
    return row | {"load": split_repeat(str(rows[0]["load"]))[0], "repeats": len(rows)} | _spread(rows)


def _together(samples: Sequence[LevelSample]) -> LevelSample:
    """All requests in one sample. It has no window: theirs lie apart, and rates are not taken from it."""
    names = dict.fromkeys(name for sample in samples for name in sample.requests.columns)
    requests = pd.DataFrame({name: _stacked(samples, name) for name in names})
    counted = np.concatenate([sample.counted for sample in samples])
    first = samples[0]
    events = Ragged.together([sample.events for sample in samples])
    return sample_with_events(requests, counted, events, Steadiness(None), first.facts, first.objectives)


def _stacked(samples: Sequence[LevelSample], name: str) -> pd.Series[Any]:
    """One column of all repeats."""
    return stacked(
        [
            sample.requests[name] if name in sample.requests else missing_column(len(sample.requests))
            for sample in samples
        ]
    )


def _times(samples: Sequence[LevelSample]) -> Cells:
    """Means, percentiles and their intervals; none where the queue grew in a repeat."""
    repeats = [OrderedTimes.of(sample) for sample in samples]
    row: Cells = {"latency_effective_n": NAN, "latency_longer": NAN}
    for family in INTERVAL_FAMILIES:
        values = np.concatenate([repeat.values(family) for repeat in repeats])
        row |= {f"{family}_mean": mean_of_known(values), f"{family}_n": int(values.size)}
        figures = _figures(repeats, family) if all(repeat.state is not None for repeat in repeats) else {}
        for name, pooled in zip(ALL_QUANTILES, percentiles(values, list(ALL_QUANTILES.values())), strict=True):
            ends = (NAN, NAN)
            if pooled is not None:
                ends = repeated_interval(pooled, figures.get(name, []), of_times=True) or ends
            row[f"{family}_{name}"] = or_nan(pooled)
            row[f"{family}_{name}_low"], row[f"{family}_{name}_high"] = ends
    return row


def _figures(repeats: Sequence[OrderedTimes], family: str) -> dict[str, list[RepeatFigure]]:
    """The figures of the repeats for each quantile; where one has no such value there is none, and no interval."""
    of_repeats = [repeat.estimates(family) for repeat in repeats]
    return {
        name: [RepeatFigure(or_nan(one.value), one.low, one.high, one.n, 1 / one.longer) for one in estimates]
        for name, estimates in zip(ALL_QUANTILES, zip(*of_repeats, strict=True), strict=True)
        if all(one.value is not None for one in estimates)
    }


def _rate_intervals(rows: Sequence[Row], pooled: Row) -> Cells:
    row: Cells = {}
    for name in _RATES_WITH_INTERVALS:
        value, ends = number(pooled, name), (NAN, NAN)
        figures = [
            RepeatFigure(rate, number(one, f"{name}_low"), number(one, f"{name}_high"), number(one, "window_s") or 0.0)
            for one in rows
            if (rate := number(one, name)) is not None
        ]
        if value is not None and text(pooled, "sustainable") != "no":
            ends = repeated_interval(value, figures) or ends
        row[f"{name}_low"], row[f"{name}_high"] = ends
    return row


def _spread(rows: Sequence[Row]) -> Cells:
    cells: Cells = {}
    for name in _SPREAD:
        values = _numbers(rows, name)
        ends = (NAN, NAN, NAN) if values is None else (min(values), max(values), float(np.std(values, ddof=1)))
        cells |= dict(zip((f"{name}_repeat_{what}" for what in ("min", "max", "std")), ends, strict=True))
    return cells


def _sustainability(rows: Sequence[Row]) -> Cells:
    answers = [text(row, "sustainable") for row in rows]
    known = next((answer for answer in ("no", "unknown", "yes") if answer in answers), None)
    steady = [row.get("steady") for row in rows]
    longer = [value for row in rows if (value := number(row, "sustainable_longer")) is not None]
    return {
        "sustainable": "unknown" if known == "yes" and None in answers else known,
        "sustainable_longer": max(longer, default=NAN) if known == "unknown" else 1.0 if longer else NAN,
        "steady": None if None in steady else all(steady),
    }


def _silence(rows: Sequence[Row]) -> Cells:
    """That of the repeat with the longest one, beside what is plausible there."""
    longest = max(rows, key=lambda row: number(row, "silence_max") or 0.0)
    return {name: or_nan(number(longest, name)) for name in ("silence_max", "silence_plausible")}


def _verdict(rows: Sequence[Row]) -> Cells:
    """The worst verdict; the reasons say which repeats they are about."""
    verdicts = [str(row["verdict"]) for row in rows]
    worst = max(verdicts, key=lambda verdict: SEVERITY[verdict])
    about: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: -SEVERITY[str(row["verdict"])]):
        for reason in filter(None, (text(row, "verdict_reasons") or "").split(REASON_SEPARATOR)):
            about.setdefault(reason, []).append(str(split_repeat(str(row["load"]))[1]))
    reasons = [f"repeat {' and '.join(numbers)}: {reason}" for reason, numbers in about.items()]
    if len(set(verdicts)) > 1:
        several = ", ".join(f"{verdicts.count(name)} {name}" for name in SEVERITY if name in verdicts)
        reasons.insert(0, f"{worst} is the worst of {len(rows)} repeats ({several})")
    return {
        "client_limited": any(bool(row["client_limited"]) for row in rows),
        "verdict": worst,
        "verdict_reasons": REASON_SEPARATOR.join(reasons) or None,
        "verdict_remedy": _remedy(rows, worst),
    }


def _remedy(rows: Sequence[Row], worst: str) -> str | None:
    """The setting that mends the repeats of the worst verdict; None where one of them needs another, or none does."""
    remedies = [remedy_of(text(row, "verdict_remedy")) for row in rows if row["verdict"] == worst]
    known = [remedy for remedy in remedies if remedy is not None]
    if len(known) < len(remedies) or len({remedy.key for remedy in known}) != 1:
        return None
    return max(known, key=lambda remedy: remedy.least).setting


def _common(rows: Sequence[Row], column: Column) -> Cell:
    """The value that all repeats have; missing where they differ."""
    values: Iterable[Cell] = (row.get(column.name) for row in rows)
    first, *others = values
    return first if all(other == first for other in others) else None


def _numbers(rows: Sequence[Row], name: str) -> list[float] | None:
    """The figure of every repeat; None where one has none."""
    values = [value for row in rows if (value := number(row, name)) is not None]
    return values if len(values) == len(rows) else None


def _sum(rows: Sequence[Row], name: str) -> float:
    values = _numbers(rows, name)
    return NAN if values is None else sum(values)


def _rate(rows: Sequence[Row], name: str) -> float:
    """The mean over the time of all windows."""
    values, seconds = _numbers(rows, name), _numbers(rows, "window_s")
    return NAN if values is None or seconds is None else float(np.average(values, weights=seconds))


def _worst(rows: Sequence[Row], name: str) -> float:
    """The value furthest from 0 that any repeat has."""
    values = (number(row, name) for row in rows)
    return max((value for value in values if value is not None), key=abs, default=NAN)
