"""The order of the levels that pass: by price, or without prices by throughput, and what is too close to call.

Experiments are compared by the best level of each. A transaction of 20 output tokens is not the work of one of 100, nor
one of 100 prompt tokens that of one of 1,000. Where their outputs differ in length by more than `UNEQUAL_WORK`, all are
compared per output token instead; where only their prompts do (`ONE_TEXT`), per token of prompt and output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fmbench_lib.metrics.decision.budgets import Judgement
from fmbench_lib.metrics.decision.transaction_size import (
    all_tokens,
    cached_apart,
    cached_share,
    output_tokens,
    outputs_apart,
    prompts_apart,
)
from fmbench_lib.metrics.missing import Row, number

NOISE = 0.05
"""Without intervals, costs that differ by no more than this share of the lower one count as equal."""

_ROUNDING = 1e-9

RankedBy: TypeAlias = Literal[
    "price", "price_per_output_token", "price_per_token", "throughput", "output_token_throughput", "token_throughput"
]
Apart: TypeAlias = Callable[[Row, Row], float]

COMPARED: dict[RankedBy, str] = {
    "price": "prices",
    "price_per_output_token": "prices per output token",
    "price_per_token": "prices per token of prompt and output",
    "throughput": "transactions per minute",
    "output_token_throughput": "output tokens per minute",
    "token_throughput": "tokens of prompt and output per minute",
}
"""What is compared, in words."""

_UNEQUAL: tuple[tuple[Apart, dict[RankedBy, RankedBy]], ...] = (
    (outputs_apart, {"price": "price_per_output_token", "throughput": "output_token_throughput"}),
    (prompts_apart, {"price": "price_per_token", "throughput": "token_throughput"}),
)
"""How work can be unequal, and what is compared then. The first counts if both are, as an output token takes more."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The levels that pass, in order.

    `best`: the first · `by`: what decides · `others`: the best level of each other experiment, in order · `tied`: those
    of them that are within the noise of `best` · `unlike`: the two whose work differs most, `best` and another if these
    differ enough, None where the work is equal · `unlike_cache`: the level, of any experiment, whose share of prompts
    from a cache is furthest from that of `best`, None where none is far · `per_transaction`: the level that would be
    first if transactions were equal.
    """

    best: Judgement
    by: RankedBy
    others: tuple[Judgement, ...] = ()
    tied: tuple[Judgement, ...] = ()
    unlike: tuple[Judgement, Judgement] | None = None
    unlike_cache: Judgement | None = None
    per_transaction: Judgement | None = None

    @property
    def named(self) -> tuple[Judgement, ...]:
        """The levels of other experiments that a sentence has to name: those that tie, else the next."""
        return self.tied or self.others[:1]


def rank(passed: Sequence[Judgement], *, by_price: bool = True) -> Ranking | None:
    """Rank levels by price, or by throughput if none has a price or price is not asked for; None of no levels."""
    if not passed:
        return None
    priced = [one for one in passed if number(one.row, "price_per_txn") is not None] if by_price else []
    by: RankedBy = "price" if priced else "throughput"
    firsts = _firsts(priced or passed, by)
    first, unlike = firsts[0], None
    for apart, per_token in _UNEQUAL:
        if (pair := most_unlike(firsts, apart)) is not None:
            by = per_token[by]
            firsts = _firsts([one for one in priced or passed if tokens_compared(one.row, by)], by)
            unlike = most_unlike(firsts, apart) or pair
            break
    best, others = firsts[0], tuple(firsts[1:])
    return Ranking(
        best=best,
        by=by,
        others=others,
        tied=tuple(other for other in others if _within_noise(best, other, by)),
        unlike=unlike,
        unlike_cache=_unlike_cache(best, passed),
        per_transaction=first if unlike else None,
    )


def unit_cost(row: Row, by: RankedBy) -> float:
    """What one transaction, or one token, takes: USD, or minutes of an instance where throughput decides; inf if
    unknown."""
    if by.startswith("price"):
        whole = number(row, "price_per_txn")
    else:
        rate = number(row, "transactions_per_minute")
        whole = instances(row) / rate if rate else None
    if whole is None or by in ("price", "throughput"):
        return math.inf if whole is None else whole
    tokens = tokens_compared(row, by)
    return whole / tokens if tokens else math.inf


def instances(row: Row) -> float:
    """How many instances serve a level; 1 where that is not given."""
    return number(row, "instance_count") or 1.0


def tokens_compared(row: Row, by: RankedBy) -> float | None:
    """The tokens of a transaction that are compared: those of the output, or of prompt and output; None if unknown."""
    return all_tokens(row) if by in ("price_per_token", "token_throughput") else output_tokens(row)


def cost_interval(row: Row, by: RankedBy) -> tuple[float, float] | None:
    """The 95% interval of what `unit_cost` gives, in its unit; None where it has none."""
    priced = by.startswith("price")
    name = "price_per_10k_txn" if priced else "transactions_per_minute"
    low, high = number(row, f"{name}_low"), number(row, f"{name}_high")
    if low is None or high is None or (not priced and low <= 0):
        return None
    ends = (low / 10_000, high / 10_000) if priced else (instances(row) / high, instances(row) / low)
    tokens = 1.0 if by in ("price", "throughput") else tokens_compared(row, by)
    return (ends[0] / tokens, ends[1] / tokens) if tokens else None


def by_cost(judgements: Iterable[Judgement], by: RankedBy) -> list[Judgement]:
    """Levels from the lowest cost to the highest, then by latency p95, then in their order."""
    return sorted(judgements, key=lambda one: (unit_cost(one.row, by), _p95(one.row)))


def _firsts(judgements: Sequence[Judgement], by: RankedBy) -> list[Judgement]:
    """The best level of each experiment, in order."""
    firsts: dict[object, Judgement] = {}
    for judgement in by_cost(judgements, by):
        firsts.setdefault(judgement.row.get("experiment_name"), judgement)
    return list(firsts.values())


def most_unlike(levels: Sequence[Judgement], apart: Apart) -> tuple[Judgement, Judgement] | None:
    """The first level and the one whose work differs most from its; None where none differs enough."""
    best, *others = levels
    other = max(others, key=lambda one: apart(best.row, one.row), default=best)
    return (best, other) if apart(best.row, other.row) else None


def _unlike_cache(best: Judgement, levels: Sequence[Judgement]) -> Judgement | None:
    apart = [one for one in levels if cached_apart(best.row, one.row)]
    ours = cached_share(best.row) or 0.0
    return max(apart, key=lambda one: abs((cached_share(one.row) or 0.0) - ours), default=None)


def _within_noise(best: Judgement, other: Judgement, by: RankedBy) -> bool:
    ours, theirs = cost_interval(best.row, by), cost_interval(other.row, by)
    cost, least = unit_cost(other.row, by), unit_cost(best.row, by)
    if not math.isfinite(cost):
        return False
    if ours is not None and theirs is not None:
        return ours[0] <= theirs[1] and theirs[0] <= ours[1]
    inside = (ours is not None and cost <= ours[1]) or (theirs is not None and theirs[0] <= least)
    return inside or within_noise_share(best.row, other.row, by)


def within_noise_share(best: Row, other: Row, by: RankedBy) -> bool:
    """Whether the cost of a level is within `NOISE` of that of the best one."""
    cost = unit_cost(other, by)
    return math.isfinite(cost) and cost <= (1 + NOISE + _ROUNDING) * unit_cost(best, by)


def _p95(row: Row) -> float:
    value = number(row, "latency_p95")
    return math.inf if value is None else value
