"""The order of the levels that pass: by price, or without prices by throughput, and what is too close to call.

Experiments are compared by the best level of each. A transaction of 20 output tokens is not the work of one of 100, so
where their outputs differ in length by more than `UNEQUAL_WORK`, all are compared per output token instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fmbench_lib.metrics.decision.budgets import Judgement
from fmbench_lib.metrics.missing import Row, number

UNEQUAL_WORK = 0.05
"""Outputs that differ by more than this share of the longer one are not the same work."""

NOISE = 0.05
"""Without intervals, costs that differ by no more than this share of the lower one count as equal."""

CACHED_APART = 0.2
"""Shares of cached prompt tokens that are further apart than this are not the same work."""

_ROUNDING = 1e-9

RankedBy: TypeAlias = Literal["price", "price_per_output_token", "throughput", "output_token_throughput"]

_PER_TOKEN: dict[RankedBy, RankedBy] = {
    "price": "price_per_output_token",
    "throughput": "output_token_throughput",
}


@dataclass(frozen=True, slots=True)
class Ranking:
    """The levels that pass, in order.

    `best`: the first · `by`: what decides · `others`: the best level of each other experiment, in order · `tied`: those
    of them that are within the noise of `best` · `unlike`: the one whose outputs differ most from those of `best`, None
    where the work is equal · `per_transaction`: the level that would be first if transactions were equal.
    """

    best: Judgement
    by: RankedBy
    others: tuple[Judgement, ...] = ()
    tied: tuple[Judgement, ...] = ()
    unlike: Judgement | None = None
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
    first = firsts[0]
    unequal = _most_unlike(first, firsts[1:]) is not None
    if unequal:
        by = _PER_TOKEN[by]
        firsts = _firsts([one for one in priced or passed if output_tokens(one.row)], by)
    best, others = firsts[0], tuple(firsts[1:])
    return Ranking(
        best=best,
        by=by,
        others=others,
        tied=tuple(other for other in others if _within_noise(best, other, by)),
        unlike=_most_unlike(best, others) if unequal else None,
        per_transaction=first if unequal else None,
    )


def unit_cost(row: Row, by: RankedBy) -> float:
    """What one transaction, or one output token, takes: USD, or minutes where throughput decides; inf if unknown."""
    if by in ("price", "price_per_output_token"):
        whole = number(row, "price_per_txn")
    else:
        rate = number(row, "transactions_per_minute")
        whole = 1 / rate if rate else None
    if whole is None or by in ("price", "throughput"):
        return math.inf if whole is None else whole
    tokens = output_tokens(row)
    return whole / tokens if tokens else math.inf


def cost_interval(row: Row, by: RankedBy) -> tuple[float, float] | None:
    """The 95% interval of the price of a transaction or output token, USD; None where it has none."""
    low, high, tokens = number(row, "price_per_10k_txn_low"), number(row, "price_per_10k_txn_high"), output_tokens(row)
    if low is None or high is None or by not in ("price", "price_per_output_token"):
        return None
    if by == "price":
        return low / 10_000, high / 10_000
    return (low / 10_000 / tokens, high / 10_000 / tokens) if tokens else None


def output_tokens(row: Row) -> float | None:
    """Output tokens of a transaction on average; None where they are unknown or there are none."""
    return number(row, "completion_token_count_mean") or None


def generates_nothing(row: Row) -> bool:
    """Whether a level is one of embeddings or of a reranker: it has answers, and none of them any tokens."""
    return number(row, "completion_token_count_mean") == 0 and bool(number(row, "prompt_token_count_mean"))


def generate_nothing(rows: Iterable[Row]) -> bool:
    """Whether all of these levels are of embeddings or rerankers; one without a success does not tell."""
    answered = [row for row in rows if number(row, "successes") != 0]
    return bool(answered) and all(map(generates_nothing, answered))


def cached_share(row: Row) -> float | None:
    """The share of prompt tokens that the server took from its cache; None if it does not say."""
    cached, tokens = number(row, "cached_token_count_mean"), number(row, "prompt_token_count_mean")
    return None if cached is None or not tokens else cached / tokens


def cached_apart(row: Row, other: Row) -> bool:
    """Whether one level had far more of its prompts in the server's cache than the other."""
    share, against = cached_share(row), cached_share(other)
    return share is not None and against is not None and abs(share - against) > CACHED_APART


def by_cost(judgements: Iterable[Judgement], by: RankedBy) -> list[Judgement]:
    """Levels from the lowest cost to the highest, then by latency p95, then in their order."""
    return sorted(judgements, key=lambda one: (unit_cost(one.row, by), _p95(one.row)))


def _firsts(judgements: Sequence[Judgement], by: RankedBy) -> list[Judgement]:
    """The best level of each experiment, in order."""
    firsts: dict[object, Judgement] = {}
    for judgement in by_cost(judgements, by):
        firsts.setdefault(judgement.row.get("experiment_name"), judgement)
    return list(firsts.values())


def _most_unlike(best: Judgement, others: Sequence[Judgement]) -> Judgement | None:
    """The level whose outputs differ most in length from those of `best`; None where none differs enough."""
    apart = [(_work_apart(best.row, other.row), place) for place, other in enumerate(others)]
    most, place = max(apart, default=(0.0, 0))
    return others[place] if most > UNEQUAL_WORK + _ROUNDING else None


def _work_apart(row: Row, other: Row) -> float:
    tokens, against = output_tokens(row), output_tokens(other)
    return 0.0 if tokens is None or against is None else 1 - min(tokens, against) / max(tokens, against)


def _within_noise(best: Judgement, other: Judgement, by: RankedBy) -> bool:
    ours, theirs = cost_interval(best.row, by), cost_interval(other.row, by)
    if ours is not None and theirs is not None:
        return ours[0] <= theirs[1] and theirs[0] <= ours[1]
    cost = unit_cost(other.row, by)
    return math.isfinite(cost) and cost <= (1 + NOISE + _ROUNDING) * unit_cost(best.row, by)


def _p95(row: Row) -> float:
    value = number(row, "latency_p95")
    return math.inf if value is None else value
