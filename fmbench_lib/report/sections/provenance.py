"""Where the numbers come from: run, host, versions, seed, config, prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fmbench_lib.metrics.missing import rows_of, text
from fmbench_lib.metrics.prices import terms_of
from fmbench_lib.pricing.price_list import InstancePrice, Price
from fmbench_lib.report.markdown import Blocks, code, frame, sentence_list, text_frame, two_up
from fmbench_lib.report.numbers import MISSING, dollars, duration, moment, several, significant
from fmbench_lib.report.report_data import ReportInputs

_UNVERIFIED = (
    "Costs based on an unverified price are assumptions: check the price with your provider before you act on them."
)


def section(inputs: ReportInputs) -> Blocks:
    """Run, host, versions, seed, config and prices: what it takes to reproduce these numbers."""
    run = inputs.run
    timed = run.started_at is not None and run.ended_at is not None
    facts: dict[str, Any] = {
        "last modified (UTC)": moment(run.written_at),
        "run": run.run_id,
        "name": run.name,
        "started (UTC)": moment(run.started_at),
        "ended (UTC)": moment(run.ended_at),
        "took": duration((run.ended_at or 0) - (run.started_at or 0)) if timed else None,
        "seed": run.seed,
        "config file": run.config_file,
        "config hash": run.config_hash,
        "FMBench": run.fmbench_version,
        **run.host,
        **run.versions,
    }
    told = two_up({name: _value(value) for name, value in facts.items()}, ("fact", "value"))
    return ["## Provenance", told, "### Prices", *_prices(inputs)]


def _prices(inputs: ReportInputs) -> Blocks:
    shown = prices_table(inputs.prices)
    priced = {price.key for price in inputs.prices}
    used = {text(row, "instance_type") or "experiments without instance_type" for row in rows_of(inputs.summary)}
    blocks = [frame(shown) if len(shown) else "_No price was used._"]
    if any(not price.origin.verified for price in inputs.prices):
        blocks.append(_UNVERIFIED)
    if unpriced := sorted(used - priced):
        names = sentence_list([code(name) for name in unpriced])
        blocks.append(f"No price is known for {names}: such levels have no cost and cannot be compared on it.")
    return blocks


def _value(value: Any) -> str:
    """Any fact on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_value(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    if isinstance(value, float):
        return significant(value, 4)
    return "" if value is None else str(value)


def prices_table(prices: Sequence[Price]) -> pd.DataFrame:
    """The prices that were used, where they come from, and whether they were checked."""
    rows = []
    for price in prices:
        origin = price.origin
        if isinstance(price, InstancePrice):
            words = f"{dollars(price.hourly)} per hour"
            if price.accelerators:
                each = dollars(price.accelerator_hourly)
                words += f", {each} for each of {several(price.accelerators, 'accelerator')}"
        else:
            cached = f", {dollars(price.cached_per_1k)} in from the cache" if price.cached_per_1k is not None else ""
            write_rate = price.cache_write_per_1k
            written = f", {dollars(write_rate)} in written to the cache" if write_rate is not None else ""
            words = f"{dollars(price.input_per_1k)} in{cached}{written}, {dollars(price.output_per_1k)} out"
            words += ", per 1,000 tokens"
        checked = "verified" if origin.verified else "unverified: an assumption until you have checked it"
        known = {
            "source": origin.source,
            "listed in": origin.listed_in,
            "date": origin.date,
            "region": origin.region,
        }
        origins = {name: value or MISSING for name, value in known.items()}
        rows.append(
            {"for": price.key, "price": words, "terms": terms_of(price) or MISSING, **origins, "standing": checked}
        )
    return text_frame(rows)
