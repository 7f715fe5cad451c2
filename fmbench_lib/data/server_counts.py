"""How a server counts the tokens of prompts: what its chat template adds, and which words are one token to it.

A prompt of N tokens to the server is a text of N - k tokens, where k is what the server adds: the chat template and
special tokens. k is the difference between the server's own count and the tokenizer's of two known texts, which must
agree. Without a tokenizer that counts as the server does, the words that cost one token each are found by asking: the
count of a text of such words is their number, plus k. Both are then checked on texts of the lengths that are wanted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from fmbench_lib.data.common_words import COMMON_WORDS
from fmbench_lib.data.synthetic_texts import SyntheticTexts
from fmbench_lib.data.tokenizers import Tokenizer
from fmbench_lib.errors import DataError

Ask: TypeAlias = Callable[[Sequence[str]], Sequence[int | None]]
"""The server's own count of each prompt; None where it reports none."""

_KNOWN = (24, 57)
"""Tokens of the two texts that are compared first."""
_GROUPS, _OF_GROUP, _OF_SMALL_GROUP = 12, 32, 4
_FEWEST_WORDS = 16
_BEGINNINGS = 64
_ANCHOR = "the"
_TAIL = 8


@dataclass(frozen=True, slots=True)
class ServerCount:
    """The server counts `added` tokens more than a text has.

    :param words: the words that are one token to the server, where texts are counted by those; None where the tokenizer
        counts as the server does.
    :param beginnings: those of them that a text may begin with, where no space stands before a word.
    :param checked: the tokens that texts were made for, each with the server's count of it.
    """

    added: int
    words: tuple[str, ...] | None = None
    beginnings: tuple[str, ...] | None = None
    checked: tuple[tuple[int, int], ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether the server counted each text that was checked as it should."""
        return all(wanted == counted for wanted, counted in self.checked)


class ProvenWords:
    """Counts a text's words, each of which is one token to the server."""

    name = "the server's own counts"
    is_estimate = False

    def count(self, text: str) -> int:
        """The number of words."""
        return len(text.split())

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """The number of words of each text."""
        return [self.count(text) for text in texts]


def learn(
    ask: Ask, tokenizer: Tokenizer, seed: str, lengths: Sequence[int], earlier: ServerCount | None = None
) -> ServerCount | None:
    """How the server counts prompts of these lengths; None where it reports no counts.

    `earlier` is what was found for prompts of other lengths: where it holds for these too, nothing more is asked. The
    texts that are asked about are none of those that are measured. Where no way of counting is exact, the nearest
    is returned, with the differences. Raises DataError where the template alone is longer than a prompt should be.
    """
    found: ServerCount | None = None
    if earlier is not None:
        found = _checked(ask, tokenizer, earlier, seed, lengths)
        if found.is_exact:
            return found
    found = None
    if not tokenizer.is_estimate:
        texts = SyntheticTexts(tokenizer, f"{seed}/known")
        known = [texts.text(number, tokens) for number, tokens in enumerate(_KNOWN)]
        counts = _known(ask(known))
        if counts is None:
            return None
        first, second = (counted - tokens for counted, tokens in zip(counts, _KNOWN, strict=True))
        if first == second and first >= 0:
            found = _checked(ask, tokenizer, ServerCount(first), seed, lengths)
            if found.is_exact:
                return found
    by_words = _by_words(ask, seed)
    if by_words is None:
        return found
    checked = _checked(ask, tokenizer, by_words, seed, lengths)
    return checked if checked.is_exact or found is None else found


def texts_of(count: ServerCount, tokenizer: Tokenizer, seed: str, shared_prefix_tokens: int = 0) -> SyntheticTexts:
    """Texts whose tokens are counted as this server does, without what it adds."""
    if count.words is None:
        return SyntheticTexts(tokenizer, seed, shared_prefix_tokens=shared_prefix_tokens)
    words = {"words": count.words, "beginnings": count.beginnings}
    return SyntheticTexts(ProvenWords(), seed, shared_prefix_tokens=shared_prefix_tokens, **words)


def tokens_of_text(wanted: int, count: ServerCount) -> int:
    """The tokens of the text of a prompt that the server shall count as `wanted`. Raises DataError if it has none."""
    if wanted <= count.added:
        raise DataError(
            f"datasets.synthetic: a prompt of {wanted} tokens cannot be made: the server's chat template alone has "
            f"{count.added}; write input_tokens above {count.added}"
        )
    return wanted - count.added


def _checked(ask: Ask, tokenizer: Tokenizer, count: ServerCount, seed: str, lengths: Sequence[int]) -> ServerCount:
    """The count with what the server says of texts that were made by it."""
    texts = texts_of(count, tokenizer, f"{seed}/check")
    prompts = [texts.text(number, tokens_of_text(wanted, count)) for number, wanted in enumerate(lengths)]
    said = _known(ask(prompts)) or [0] * len(lengths)
    return replace(count, checked=tuple(zip(lengths, said, strict=True)))


def _known(counts: Sequence[int | None]) -> list[int] | None:
    known = [count for count in counts if count is not None]
    return known if len(known) == len(counts) else None


def _by_words(ask: Ask, seed: str) -> ServerCount | None:
    """Count by words of one token; None where the server reports no counts, or has too few such words."""
    pool = random.Random(f"{seed}/words").sample(COMMON_WORDS, _GROUPS * _OF_GROUP)
    groups = list(_in_groups(pool, _OF_GROUP))
    single, mixed = _without_excess(ask, groups)
    if single is None:
        return None
    smaller = [small for group in mixed for small in _in_groups(group, _OF_SMALL_GROUP)]
    more, _ = _without_excess(ask, smaller) if smaller else ([], [])
    words = [word for group in (*single, *(more or [])) for word in group]
    if len(words) < _FEWEST_WORDS:
        return None
    return _with_beginnings(ask, words)


def _with_beginnings(ask: Ask, words: Sequence[str]) -> ServerCount | None:
    """The count by these words: which of them texts begin with, and what the server adds to such a text."""
    candidates = words[:_BEGINNINGS]
    counts = _known(ask([" ".join((word, *words[:_TAIL])) for word in candidates]))
    if counts is None:
        return None
    usual, _ = Counter(counts).most_common(1)[0]
    beginnings = tuple(word for word, counted in zip(candidates, counts, strict=True) if counted == usual)
    return ServerCount(usual - 1 - _TAIL, tuple(words), beginnings)


def _without_excess(ask: Ask, groups: Sequence[Sequence[str]]) -> tuple[list[list[str]] | None, list[list[str]]]:
    """The groups all of whose words are one token, and the others; the first is None where there are no counts.

    A word is one token at least, so that a text has as many tokens more than another as it has words more only if each
    of them is one.
    """
    counts = _known(ask([_ANCHOR, *(" ".join((_ANCHOR, *group)) for group in groups)]))
    if counts is None:
        return None, []
    alone, *together = counts
    excess = [counted - alone - len(group) for counted, group in zip(together, groups, strict=True)]
    single = [list(group) for group, more in zip(groups, excess, strict=True) if more == 0]
    return single, [list(group) for group, more in zip(groups, excess, strict=True) if more]


def _in_groups(words: Sequence[str], size: int) -> Iterator[list[str]]:
    remaining = iter(words)
    while group := list(islice(remaining, size)):
        yield group
