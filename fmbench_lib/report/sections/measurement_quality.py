"""How far the numbers can be trusted: verdicts with their reasons, and what else affects them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from fmbench_lib.metrics.measuring_again import AGAIN, command_again, counting, last_attempts
from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.metrics.reasons import reasons_of, told_once, without_numbers
from fmbench_lib.report.calibration import calibration_lines
from fmbench_lib.report.level_order import Rows, in_order
from fmbench_lib.report.level_texts import level_names, level_sentence_name
from fmbench_lib.report.markdown import (
    APPENDIX_LINK,
    Blocks,
    bold,
    bullets,
    code,
    escape,
    frame,
    sentence_list,
    text_frame,
)
from fmbench_lib.report.numbers import MISSING, percent, seconds, several, significant
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.report.sections.remedies import remedy_of, split_reason

_TOKEN_SOURCES = {
    "server": "counted by the server itself (`usage` of its responses)",
    "tokenizer": "counted with the experiment's tokenizer, as the server did not report them",
    "words": "**estimated** from words (750 words = 1,000 tokens), as the config asks",
}
_STAMPS = {
    "kernel": "Arrival times are the kernel's, so a busy client did not delay them.",
    "user": "Arrival times were taken when the client read, so they include its own delays.",
}
_REUSE = {
    "never": "No prompt was sent twice in this run.",
    "across_levels": (
        "Prompts were sent again at other levels, but not within one: a server's prefix cache may have made later "
        "levels faster."
    ),
    "allowed": (
        "Prompts may have been sent more than once: a server's prefix cache may have made it look faster than it is "
        "with new prompts."
    ),
}
_EXPLAINED = "Degraded: usable, with the reason in mind. Invalid: the figures do not describe the endpoint."
_COLUMNS_EXPLAINED = (
    "Client lag is how late the client read what had arrived, schedule lag how late it sent what was due; client CPU "
    "is the share of its core that the busiest load worker used. Used by others are the cores of this machine that "
    "neither fmbench nor the endpoint used."
)
_MOST_LEVELS = 2
"""A reason of more levels than this says how many, and the appendix which."""


def section(inputs: ReportInputs) -> Blocks:
    """The verdicts with their reasons and remedies, and what else may affect the numbers."""
    heading = "## How good this measurement was"
    rows = in_order(rows_of(counting(inputs.summary)))
    if not rows:
        return [heading, "_No level was measured._", *_notices(inputs)]
    facts = [*_stamps(rows), *_proxies(rows), *_tokens(rows), *_reuse(rows), *calibration_lines(inputs)]
    again = [] if inputs.imported else _again(rows, inputs)
    blocks = [heading, f"{verdicts_sentence(rows, bold)} {_EXPLAINED}", *_reasons(rows), *again]
    return [*blocks, bullets(facts), *_notices(inputs)]


def appendix(inputs: ReportInputs) -> Blocks:
    """How each level was measured, and each reason with all levels that have it."""
    shown = quality_table(inputs.summary)
    if shown.empty:
        return []
    texts = ("experiment", "dataset", "load", "verdict", "ended by", "stamps", "tokens from", "prompt reuse")
    right = [name for name in shown.columns if name not in texts]
    named = [f"{what}: {remedy} — {'; '.join(levels)}" for what, remedy, levels in _told(_all(inputs))]
    reasons = ["Reasons for the verdicts, what to do, and all levels concerned:", bullets(named)] if named else []
    return ["## How each level was measured", frame(shown, to_the_right=right), _COLUMNS_EXPLAINED, *reasons]


def verdicts_sentence(rows: Rows, mark: Callable[[str], str] = str) -> str:
    """How many levels are valid, degraded and invalid, and whether the client was a limit; `mark` marks the counts."""
    counts = {verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ("valid", "degraded", "invalid")}
    parts = [f"{number_of} {verdict}" for verdict, number_of in counts.items() if number_of]
    limited = sum(bool(row["client_limited"]) for row in rows)
    if not limited and any(text(row, "imported_from") for row in rows):
        return f"Of {several(len(rows), 'level')}: {bold(sentence_list(parts))}. The tool's client is not known."
    client = (
        f"At {several(limited, 'level')} the client was a limit"
        if limited
        else "The client was not a limit at any level"
    )
    return f"Of {several(len(rows), 'level')}: {mark(sentence_list(parts))}. {client}."


def _all(inputs: ReportInputs) -> Rows:
    return in_order(rows_of(inputs.summary))


def _told(rows: Rows) -> list[tuple[str, str, list[str]]]:
    """Each reason once with the range of its numbers, what mends it, and the levels that have it; all Markdown. The
    reasons of most levels come first."""
    alike: dict[str, list[tuple[str, Row]]] = {}
    for row in rows:
        for reason in reasons_of(text(row, "verdict_reasons")):
            if not reason.startswith(AGAIN):
                alike.setdefault(without_numbers(reason), []).append((reason, row))
    told = []
    for having in sorted(alike.values(), key=len, reverse=True):
        what, advice = split_reason(told_once([reason for reason, _ in having]))
        levels = [escape(f"{level_sentence_name(row)} ({row['verdict']})") for _, row in having]
        remedy = remedy_of(having, escape(advice, longest=300))
        told.append((escape(what, longest=600), remedy, list(dict.fromkeys(levels))))
    return told


def _reasons(rows: Rows) -> Blocks:
    """A line for each reason: what was found, the change that mends it, and which levels are concerned."""
    items = [
        f"{': '.join(filter(None, (what, remedy)))} — {_which(levels, len(rows))}"
        for what, remedy, levels in _told(rows)
    ]
    if not items:
        return []
    return [
        f"Reasons for the verdicts, and what mends them (all levels by name in the {APPENDIX_LINK}):",
        bullets(items),
    ]


def _which(levels: Sequence[str], of: int) -> str:
    if len(levels) == of > 1:
        return f"all {of} levels"
    return "; ".join(levels) if len(levels) <= _MOST_LEVELS else f"{len(levels)} of {of} levels"


def _again(rows: Rows, inputs: ReportInputs) -> Blocks:
    """The commands that measure levels again, where some are not valid."""
    last = [row for row, counts in zip(rows, last_attempts(rows), strict=True) if counts]
    doubtful = [row for row in last if row["verdict"] != "valid"]
    if not doubtful:
        return []
    verdicts = ",".join(
        verdict for verdict in ("invalid", "degraded") if any(r["verdict"] == verdict for r in doubtful)
    )
    every = f"fmbench --resume {shlex.quote(inputs.run.run_dir)} --remeasure {verdicts}"
    one = command_again(doubtful[0], inputs.run.run_dir)
    return [f"To measure these levels again: {code(every)}; one of them alone: {code(one)}."]


def _sources(rows: Rows, *columns: str) -> list[str]:
    texts = [text(row, column) or "" for row in rows for column in columns]
    return sorted({source for joined in texts for source in joined.split("+") if source})


def _stamps(rows: Rows) -> list[str]:
    return [
        _STAMPS.get(source, f"Arrival times come from {escape(source)}.") for source in _sources(rows, "stamp_source")
    ]


def _proxies(rows: Rows) -> list[str]:
    proxies = sorted({name for row in rows if (name := text(row, "proxy"))})
    return [f"Requests went through the proxy {code(name)}, whose time is part of theirs." for name in proxies]


def _tokens(rows: Rows) -> list[str]:
    sentences = [
        f"Tokens were {_TOKEN_SOURCES.get(source, f'counted by {escape(source)}')}."
        for source in _sources(rows, "prompt_token_source", "completion_token_source")
    ]
    tokenizers = sorted({name for row in rows if (name := text(row, "tokenizer"))})
    if tokenizers:
        sentences.append(
            f"Prompts were cut by length with the tokenizer {sentence_list([code(name) for name in tokenizers])}."
        )
    return sentences


def _reuse(rows: Rows) -> list[str]:
    settings = sorted({name for row in rows if (name := text(row, "prompt_reuse"))})
    sentences = [_REUSE.get(setting, f"Prompt reuse: {escape(setting)}.") for setting in settings]
    cached = [mean for row in rows if (mean := number(row, "cached_token_count_mean")) is not None]
    if cached and max(cached) > 0:
        most = f"up to {significant(max(cached))} per request on average over a level"
        reported = f"The server reports prompt tokens taken from its cache, {most}"
        contrary = ", although no prompt was sent twice: prompts with the same beginning can be the cause"
        sentences.append(f"{reported}{contrary if settings == ['never'] else ''}.")
    elif cached:
        sentences.append("The server reports that it took no prompt tokens from a cache.")
    return sentences


def _notices(inputs: ReportInputs) -> Blocks:
    if not inputs.notices:
        return []
    return ["Notices:", bullets([escape(notice, longest=600) for notice in inputs.notices])]


def quality_table(summary: pd.DataFrame) -> pd.DataFrame:
    """How each level was measured: the client's delays, the sources of times and token counts, and the verdict."""
    return text_frame(
        {
            **level_names(row),
            "verdict": str(row["verdict"]),
            "client lag p99": _lag(row["client_lag_p99"]),
            "schedule lag p99": _lag(row["schedule_lag_p99"]),
            "client CPU": percent(row["client_cpu_max"]),
            "used by others": _others(row),
            "in flight": significant(row["mean_in_flight"]),
            "window": seconds(row["window_s"]),
            "ended by": text(row, "stop_reason") or MISSING,
            "stamps": text(row, "stamp_source") or MISSING,
            "tokens from": _counted_by(row),
            "tokens per event": significant(row["tokens_per_event"], 2),
            "buffered": percent(row["buffered_share"]),
            "prompt reuse": (text(row, "prompt_reuse") or MISSING).replace("_", " "),
        }
        for row in in_order(rows_of(summary))
    )


def _others(row: Row) -> str:
    """The cores that something else used, of those of the machine."""
    used, cores = number(row, "host_cores_others"), number(row, "host_cores")
    return MISSING if used is None or cores is None else f"{significant(used, 2)} of {several(int(cores), 'core')}"


def _counted_by(row: Row) -> str:
    """Who counted the tokens, for each side where they differ."""
    return (text(row, "token_source") or MISSING).replace(":", " ").replace("+completion", ", completion")


def _lag(value: Any) -> str:
    """A delay of the client, always in milliseconds; two digits already exceed its precision."""
    return MISSING if value is None else f"{significant(1000 * value, 2)} ms"
