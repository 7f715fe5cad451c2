"""The sections that say how far the numbers can be believed, where they come from, and what they still cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench_lib.metrics.missing import number, rows_of, text
from fmbench_lib.metrics.verdict import REASON_SEPARATOR
from fmbench_lib.metrics.wording import load_label
from fmbench_lib.report import report_tables as tables
from fmbench_lib.report.calibration import calibration_lines
from fmbench_lib.report.level_order import Rows, dataset_name, in_order
from fmbench_lib.report.markdown import bold, bullets, code, escape, frame, sentence_list, table
from fmbench_lib.report.numbers import dollars, duration, moment, several, significant
from fmbench_lib.report.report_data import ReportInputs

Blocks = list[str]

_TOKEN_SOURCES = {
    "server": "counted by the server itself (`usage` of its responses)",
    "tokenizer": "counted by us with the experiment's tokenizer, since the server did not say",
    "words": "**estimated** from words (750 words = 1,000 tokens), as the config asks",
}
_STAMPS = {
    "kernel": "Arrival times are the kernel's, so a busy client did not delay them.",
    "user": "Arrival times were taken by the client when it came to read, so they hold its own delays.",
}
_REUSE = {
    "never": "No prompt was sent twice in this run.",
    "across_levels": (
        "Prompts were sent again at other levels, but not within one: a server's prefix cache may have made later "
        "levels faster."
    ),
    "allowed": (
        "Prompts may have been sent more than once: a server's prefix cache may have made it look faster than it is "
        "with new ones."
    ),
}
_EXPLAINED = (
    "Client lag is how late the client read what had arrived, schedule lag how late it sent what was due; client CPU "
    "is the share of its core that the busiest load worker used. Verdicts: valid; degraded (usable, with the reason in "
    "mind); invalid (not the endpoint's figures)."
)
_UNVERIFIED = (
    "Costs that rest on an unverified price are assumptions: compare it with your own provider's before you act on "
    "them."
)


def measurement(inputs: ReportInputs) -> Blocks:
    """Verdicts with their reasons, the client's own part, and what else may colour the numbers."""
    heading = "## How good this measurement was"
    rows = in_order(rows_of(inputs.summary))
    if not rows:
        return [heading, "_No level was measured._", *_notices(inputs)]
    shown = tables.quality_table(inputs.summary)
    texts = ("experiment", "dataset", "load", "verdict", "ended by", "stamps", "tokens from", "prompt reuse")
    right = [name for name in shown.columns if name not in texts]
    facts = [*_stamps(rows), *_proxies(rows), *_tokens(rows), *_reuse(rows), *calibration_lines(inputs)]
    blocks = [heading, _verdicts(rows), frame(shown, to_the_right=right), _EXPLAINED, bullets(facts)]
    return [*blocks, *_reasons(rows), *_notices(inputs)]


def _verdicts(rows: Rows) -> str:
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ("valid", "degraded", "invalid")}
    found = [f"{number_of} {verdict}" for verdict, number_of in counts.items() if number_of]
    limited = sum(bool(row["client_limited"]) for row in rows)
    client = f"At {several(limited, 'level')} the client was a limit" if limited else "At none was the client a limit"
    return f"Of {several(len(rows), 'level')}: {bold(sentence_list(found))}. {client}."


def _reasons(rows: Rows) -> Blocks:
    """Each reason once, with the levels that have it."""
    found: dict[str, list[str]] = {}
    for row in rows:
        level = f"{row['experiment_name']}, {dataset_name(text(row, 'payload_file'))}, {load_label(row)}"
        for reason in (text(row, "verdict_reasons") or "").split(REASON_SEPARATOR):
            if reason:
                found.setdefault(reason, []).append(f"{level} ({row['verdict']})")
    items = []
    for reason, levels in found.items():
        where = f"all {len(rows)} levels" if len(levels) == len(rows) > 1 else "; ".join(map(escape, levels))
        items.append(f"{escape(reason, longest=600)} — {where}")
    return ["What was found, what to do, and the levels it is about:", bullets(items)] if items else []


def _sources(rows: Rows, column: str) -> list[str]:
    return sorted({one for row in rows for one in (text(row, column) or "").split("+") if one})


def _stamps(rows: Rows) -> list[str]:
    return [_STAMPS.get(one, f"Arrival times come from {escape(one)}.") for one in _sources(rows, "stamp_source")]


def _proxies(rows: Rows) -> list[str]:
    found = sorted({name for row in rows if (name := text(row, "proxy"))})
    return [f"Requests went through the proxy {code(name)}, whose time is part of theirs." for name in found]


def _tokens(rows: Rows) -> list[str]:
    found = _sources(rows, "token_source")
    said = [f"Tokens were {_TOKEN_SOURCES.get(one, f'counted by {escape(one)}')}." for one in found]
    tokenizers = sorted({name for row in rows if (name := text(row, "tokenizer"))})
    if tokenizers:
        said.append(
            f"Prompts were cut by length with the tokenizer {sentence_list([code(name) for name in tokenizers])}."
        )
    return said


def _reuse(rows: Rows) -> list[str]:
    settings = sorted({name for row in rows if (name := text(row, "prompt_reuse"))})
    said = [_REUSE.get(one, f"Prompt reuse: {escape(one)}.") for one in settings]
    cached = [mean for row in rows if (mean := number(row, "cached_token_count_mean")) is not None]
    if cached and max(cached) > 0:
        most = f"up to {significant(max(cached))} per request in the mean of a level"
        found = f"The server reports prompt tokens taken from its cache, {most}"
        contrary = ", although no prompt was sent twice: prompts that begin alike can be the cause"
        said.append(f"{found}{contrary if settings == ['never'] else ''}.")
    elif cached:
        said.append("The server reports that it took no prompt tokens from a cache.")
    return said


def _notices(inputs: ReportInputs) -> Blocks:
    if not inputs.notices:
        return []
    return ["Notices:", bullets([escape(notice, longest=600) for notice in inputs.notices])]


def provenance(inputs: ReportInputs) -> Blocks:
    """Run, host, versions, seed, config, prices: what somebody needs to make these numbers again."""
    run = inputs.run
    timed = run.started_at is not None and run.ended_at is not None
    facts: dict[str, Any] = {
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
    rows = [[escape(name), escape(_value(value))] for name, value in facts.items()]
    return ["## Provenance", table(["fact", "value"], rows), "### Prices", *_prices(inputs)]


def _prices(inputs: ReportInputs) -> Blocks:
    shown = tables.prices_table(inputs.prices)
    priced = {price.key for price in inputs.prices}
    found = {text(row, "instance_type") or "experiments without instance_type" for row in rows_of(inputs.summary)}
    blocks = [frame(shown) if len(shown) else "_No price was used._"]
    if any(not price.origin.verified for price in inputs.prices):
        blocks.append(_UNVERIFIED)
    if unpriced := sorted(found - priced):
        names = sentence_list([code(name) for name in unpriced])
        blocks.append(f"No price is known for {names}: such levels have no cost and cannot be compared on it.")
    return blocks


def standing(inputs: ReportInputs) -> Blocks:
    """Endpoints of this run that were left standing, and how to end them."""
    heading = "## What still costs money"
    shown = tables.standing_table(inputs.standing)
    if shown.empty:
        return [heading, "Nothing of this run was left standing."]
    known = [one.hourly for one in inputs.standing if one.hourly is not None]
    said = f"{several(len(shown), 'endpoint')} of this run {'were' if len(shown) > 1 else 'was'} left standing"
    if known:
        more = " and more of unknown price" if len(known) < len(shown) else ""
        said += f", at {dollars(sum(known))} per hour{more}"
    return [heading, f"{said}.", frame(shown, as_code=["where", "end it with"], to_the_right=["USD per hour"])]


def _value(value: Any) -> str:
    """A fact in one line, whatever it is."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_value(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    if isinstance(value, float):
        return significant(value, 4)
    return "" if value is None else str(value)
