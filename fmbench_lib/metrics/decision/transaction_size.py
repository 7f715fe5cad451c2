"""How much work a transaction is: tokens in and out, and how many of them the server took from its cache."""

from __future__ import annotations

from collections.abc import Iterable

from fmbench_lib.metrics.missing import Row, number

UNEQUAL_WORK = 0.05
"""Transactions whose outputs differ by more than this share of the longer one are not the same work; nor, perhaps,
those whose prompts differ by more than this share of all tokens of the longer transaction."""

ONE_TEXT = 0.5
"""Prompts of one payload file are the same texts, which tokenizers count differently. A count of this share of another
or less is not of the same text: prompts were cut or lengthened, and are not the same work."""

CACHED_APART = 0.2
"""Shares of cached prompt tokens that are further apart than this are not the same work."""

_ROUNDING = 1e-9


def output_tokens(row: Row) -> float | None:
    """Output tokens of a transaction on average; None where they are unknown or there are none."""
    return number(row, "completion_token_count_mean") or None


def prompt_tokens(row: Row) -> float | None:
    """Prompt tokens of a transaction on average; None where they are unknown or there are none."""
    return number(row, "prompt_token_count_mean") or None


def all_tokens(row: Row) -> float | None:
    """Prompt and output tokens of a transaction on average; None where one of them is unknown."""
    prompt, output = prompt_tokens(row), number(row, "completion_token_count_mean")
    return None if prompt is None or output is None else prompt + output


def generates_nothing(row: Row) -> bool:
    """Whether a level is one of embeddings or of a reranker: it has answers, and none of them any tokens."""
    return number(row, "completion_token_count_mean") == 0 and bool(number(row, "prompt_token_count_mean"))


def generate_nothing(rows: Iterable[Row]) -> bool:
    """Whether all of these levels are of embeddings or rerankers; one without a success does not tell."""
    answered = [row for row in rows if number(row, "successes") != 0]
    return bool(answered) and all(map(generates_nothing, answered))


def outputs_apart(row: Row, other: Row) -> float:
    """By what share of the longer one outputs differ, where that is enough to be other work; else 0."""
    tokens, against = output_tokens(row), output_tokens(other)
    if tokens is None or against is None:
        return 0.0
    return _beyond(1 - min(tokens, against) / max(tokens, against))


def prompts_apart(row: Row, other: Row) -> float:
    """By what share of all tokens of the longer transaction prompts differ, where no tokenizer explains it; else 0."""
    tokens, against = prompt_tokens(row) or 0.0, prompt_tokens(other) or 0.0
    return prompt_counts_apart(row, other) if min(tokens, against) <= ONE_TEXT * max(tokens, against) else 0.0


def prompt_counts_apart(row: Row, other: Row) -> float:
    """The same of the counts, whatever explains it; 0 where one is not known or they do not differ enough."""
    tokens, against, ours, theirs = prompt_tokens(row), prompt_tokens(other), all_tokens(row), all_tokens(other)
    if tokens is None or against is None or ours is None or theirs is None:
        return 0.0
    return _beyond(abs(tokens - against) / max(ours, theirs))


def cached_share(row: Row) -> float | None:
    """The share of prompt tokens that the server took from its cache; None if it does not say."""
    cached, tokens = number(row, "cached_token_count_mean"), prompt_tokens(row)
    return None if cached is None or tokens is None else cached / tokens


def cached_apart(row: Row, other: Row) -> bool:
    """Whether one level had far more of its prompts in the server's cache than the other."""
    share, against = cached_share(row), cached_share(other)
    return share is not None and against is not None and abs(share - against) > CACHED_APART


def _beyond(share: float) -> float:
    return share if share > UNEQUAL_WORK + _ROUNDING else 0.0
