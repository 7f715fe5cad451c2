"""What is said before anything else: that the transactions compared are not the same work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fmbench_lib.metrics.decision.budgets import Judgement
from fmbench_lib.metrics.decision.ranking import COMPARED, Ranking, most_unlike
from fmbench_lib.metrics.decision.transaction_size import (
    cached_share,
    output_tokens,
    outputs_apart,
    prompt_counts_apart,
    prompt_tokens,
    prompts_apart,
)
from fmbench_lib.metrics.decision.wording import figure, load_label
from fmbench_lib.metrics.missing import Row

Pair: TypeAlias = tuple[Judgement, Judgement]


def unequal_work_text(ranking: Ranking) -> str:
    """That the experiments' prompts or outputs differ in length, or in how much of them was cached, and what is
    compared; empty where the work is equal."""
    said = [*_lengths(ranking), *_cached(ranking)]
    return "".join(f"{sentence} " for sentence in said)


def cached_text(best: Row, other: Row) -> str:
    """How much of the prompts of each came from the server's cache: `94% of its prompt tokens came …`."""
    ours, theirs = cached_share(best) or 0.0, cached_share(other) or 0.0
    whose = other.get("experiment_name")
    those = f"at {load_label(other)}" if whose == best.get("experiment_name") else f"of those of {whose}"
    return f"{ours:.0%} of its prompt tokens came from the server's cache, {theirs:.0%} {those}"


def _lengths(ranking: Ranking) -> list[str]:
    levels = (ranking.best, *ranking.others)
    outputs = ranking.unlike if ranking.unlike and outputs_apart(*_rows(ranking.unlike)) else None
    prompts = ranking.unlike if ranking.unlike and not outputs else most_unlike(levels, prompts_apart)
    said = [_of_each(outputs, "answers with {} output tokens on average", "with {}", output_tokens)] if outputs else []
    said += [_of_each(prompts, "gets prompts of {} tokens on average", "of {}", prompt_tokens)] if prompts else []
    if said:
        return [f"Unequal work: {'; '.join(said)}, so {COMPARED[ranking.by]} are compared."]
    counted = most_unlike(levels, prompt_counts_apart)
    if counted is None:
        return []
    counts = _of_each(counted, "counts {} tokens a prompt", "{}", prompt_tokens)
    return [f"Perhaps unequal work: {counts}, which other tokenizers may explain; {COMPARED[ranking.by]} are compared."]


def _of_each(pair: Pair, ours: str, theirs: str, tokens: Callable[[Row], float | None]) -> str:
    """The lengths of both, by name: `a answers with 100 output tokens on average, b with 20`."""
    counts = [figure(tokens(row) or 0.0) for row in _rows(pair)]
    names = [row.get("experiment_name") for row in _rows(pair)]
    return f"{names[0]} {ours.format(counts[0])}, {names[1]} {theirs.format(counts[1])}"


def _rows(pair: Pair) -> tuple[Row, Row]:
    return pair[0].row, pair[1].row


def _cached(ranking: Ranking) -> list[str]:
    best, apart = ranking.best.row, None if ranking.unlike_cache is None else ranking.unlike_cache.row
    if apart is None:
        return []
    warmer = "warmer" if (cached_share(best) or 0.0) > (cached_share(apart) or 0.0) else "colder"
    who = f"{best.get('experiment_name')} was {warmer}"
    return [f"Unequal work: {who}, as {cached_text(best, apart)}: they are not the same work."]
