"""Checks of what came in a level's responses: who counted their tokens, and whether counts and times hold together."""

from __future__ import annotations

from collections.abc import Iterator

from fmbench_lib.metrics.finding import NAME_TOKENIZER, Finding, Level
from fmbench_lib.metrics.groups.contents import remarks_of
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.thresholds import Thresholds

_SIDES = ("prompt", "completion")
_REASONS: dict[str, tuple[Level, str]] = {
    "buffered": (
        "degraded",
        "the server or a proxy buffers the stream: in {} content came at once, so that they have no TPOT and ITL and "
        "miss an objective of TPOT: switch the buffering off",
    ),
    "not_streamed": (
        "degraded",
        "streaming was asked for and ignored by the server, whole answers came in {}: they have no TTFT, TPOT or ITL, "
        "use an address that streams, or write stream: no",
    ),
    "no_answer": (
        "degraded",
        "no answer in {}: cut in the reasoning, so that they have no TTFT_answer: allow more tokens",
    ),
    "count_implausible": (
        "degraded",
        "the server's usage is far from the text that came in {}, or has a part above its whole: such a count is not "
        "used, the tokenizer's is if there is one: look at that usage",
    ),
    "hidden_reasoning": (
        "valid",
        "the server counts tokens that it did not send in {} (hidden reasoning): TPOT is about those that came",
    ),
    "count_missing": (
        "valid",
        "the server counted nothing, or 0, on a side that has text in {}: {source}",
    ),
    "several_choices": (
        "valid",
        "several choices came interleaved in {}: TPOT is that of one choice, and there is no ITL",
    ),
    "cumulative": ("valid", "each message repeated the text before it in {}, which was taken off"),
    "echo": ("valid", "{} began with the prompt (echo), which was taken off"),
}
"""For each remark on responses the verdict that it leads to, and what is said of the level."""


def content_findings(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """A finding for each kind of remark. Few buffered responses are no wonder: a short answer may come in one read."""
    successes = number(row, "successes") or 0
    remarks = remarks_of(row)
    for remark, (verdict, reason) in _REASONS.items():
        count = remarks.get(remark, 0)
        if not count or not successes:
            continue
        if remark == "buffered" and (number(row, "buffered_share") or 0) <= limits.buffered_share:
            continue
        share = f"{count:,} of {successes:,.0f} responses ({count / successes:.0%})"
        yield Finding(verdict, reason.format(share, source=_sources(row)))


def _sources(row: Row) -> str:
    told = [f"{side} tokens by {source}" for side in _SIDES if (source := text(row, f"{side}_token_source"))]
    return ", ".join(told) or "they are unknown"


def token_findings(row: Row, limits: Thresholds) -> Iterator[Finding]:
    """Tokens of one side that were counted in several ways, and counts that are not known."""
    successes = number(row, "successes")
    if not successes:
        return
    sides = [source for side in _SIDES if (source := text(row, f"{side}_token_source"))]
    sources = sides or [text(row, "token_source") or ""]
    mixed = list(dict.fromkeys(source for source in sources if "+" in source))
    if mixed:
        ways = ", ".join(mixed)
        yield Finding("degraded", f"tokens were counted in several ways ({ways}): ask for usage in every response")
    counted = min(number(row, "prompt_token_n") or 0, number(row, "completion_token_n") or 0)
    if counted < limits.tokens_known * successes:
        reason = f"token counts are known for {counted:.0f} of {successes:.0f} successes"
        yield Finding("degraded", f"{reason}: {NAME_TOKENIZER}")
