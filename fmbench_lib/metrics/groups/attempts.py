"""Which attempt at its level a row is, what the endpoint had been sent before it, and what that means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.finding import Finding
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import Row, number, or_nan, text
from fmbench_lib.metrics.thresholds import Thresholds

ATTEMPT = Column(
    "attempt",
    "",
    "whole number",
    "which attempt at the level this is, from 1; interrupted ones have no row, and the last one counts",
)
BEFORE = (
    Column(
        "resent_prompts",
        "",
        "whole number",
        "measured prompts that the run had sent to the endpoint before; empty where `prompt_reuse` allows it",
    ),
    Column("earlier_run", "", "text", "the last other run that had sent prompts of this level to the endpoint"),
    Column("earlier_run_at", "Unix s", "time", "when it began to"),
    Column("earlier_prompts", "", "whole number", "measured prompts that other runs had sent to the endpoint"),
    Column("earlier_ttft_p50", "s", "number", "median TTFT of this load in the other run that sent them first"),
)


def attempts(sample: LevelSample) -> Cells:
    """The columns `ATTEMPT` and `BEFORE`. Files of versions that measured a level once say no number: the first."""
    facts = sample.facts
    numbers = ("resent_prompts", "earlier_run_at", "earlier_prompts", "earlier_ttft_p50")
    cells: Cells = {name: or_nan(number(facts, name)) for name in numbers}
    return cells | {"attempt": number(facts, "attempt") or 1, "earlier_run": text(facts, "earlier_run")}


def sent_by_earlier_run(row: Row) -> str | None:
    """Which run sent prompts of a level to its endpoint before, and when, as part of a sentence; None without one."""
    name, at, prompts = text(row, "earlier_run"), number(row, "earlier_run_at"), number(row, "earlier_prompts")
    if name is None or at is None or prompts is None:
        return None
    date = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"run {name} sent {prompts:.0f} of these prompts to this endpoint on {date}"


def sent_before(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """Prompts that were to be new and had been sent before.

    Of those of another run a notice is enough, as its cache may be empty again; the level is degraded where TTFT is
    much shorter than when they were sent first. Where the server counts cached tokens, they say it instead.
    """
    if text(row, "prompt_reuse") != "never":
        return
    resent, requests = number(row, "resent_prompts"), number(row, "requests") or 0
    if resent:
        reason = f"{resent:.0f} prompts had been sent to the endpoint before by this run, as no others were left"
        reason = f"{reason} ({requests:.0f} requests were measured), so its cache may have made TTFT shorter"
        yield Finding("degraded", f"{reason}: add prompts, or restart the endpoint")
    by = sent_by_earlier_run(row)
    if by is None or number(row, "cached_token_count_mean") is not None:
        return
    now, then = number(row, "TTFT_p50"), number(row, "earlier_ttft_p50")
    if now is None or then is None:
        reason = f"{by}, and nothing tells whether its cache is still warm"
        yield Finding("valid", f"{reason}: restart the endpoint or send others to be sure")
    elif now < limits.warm_ttft * then:
        reason = f"{by}, where TTFT p50 was {1000 * then:.3g} ms and is now {1000 * now:.3g} ms"
        reason = f"{reason}, so its cache was warm unless the server has changed since"
        yield Finding("degraded", f"{reason}: restart the endpoint or send others")
