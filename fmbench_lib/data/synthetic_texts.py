"""Texts with an exact number of tokens.

Tokens don't add up: where two texts are joined, a tokenizer may merge what stood on both sides, and tokens that are
decoded and encoded again may be others. So texts are made of common words with single spaces between them, which
tokenizers keep apart, and the text as a whole is counted again and mended until the count is the one that is wanted.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from fmbench_lib.data.common_words import COMMON_WORDS
from fmbench_lib.data.tokenizers import Tokenizer
from fmbench_lib.errors import DataError

_FEWEST_WORDS = 64
"""With fewer words of one token than that, all words are used."""
_MOST_REPAIRS = 60
_MOST_ENDINGS = 40
_BEFORE = "the"


class SyntheticTexts:
    """Texts by their number: the same for the same seed, and no two that begin alike, as far as there are words."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        seed: str,
        *,
        shared_prefix_tokens: int = 0,
        words: Sequence[str] | None = None,
        beginnings: Sequence[str] | None = None,
    ) -> None:
        """`words` are those to use, None for the common ones that the tokenizer has as one token; `beginnings` those of
        them that a text may begin with.

        Raises DataError where there is no text of `shared_prefix_tokens`, which all texts then begin with.
        """
        self._tokenizer, self._seed = tokenizer, seed
        self._words = list(words) if words is not None else words_of_one_token(tokenizer)
        shuffled = random.Random(f"{seed}/beginnings")
        first = list(beginnings) if beginnings else _of_fewest_tokens(tokenizer, self._words)
        self._first = shuffled.sample(first, len(first))
        self._second = shuffled.sample(self._words, len(self._words))
        self._prefix: list[str] = []
        if shared_prefix_tokens:
            self._prefix = self._exact([self._first[-1]], shared_prefix_tokens, random.Random(f"{seed}/prefix"), 0)

    def text(self, number: int, tokens: int) -> str:
        """The text with this number and exactly so many tokens. Raises DataError where there is none."""
        lap, position = divmod(number, len(self._first))
        beginning = [self._first[position]]
        if lap:
            beginning.append(self._second[(lap - 1 + position) % len(self._second)])
        generator = random.Random(f"{self._seed}/{number}")
        return " ".join(self._exact([*self._prefix, *beginning], tokens, generator, len(self._prefix)))

    def _exact(self, beginning: list[str], tokens: int, generator: random.Random, fixed: int) -> list[str]:
        """Words that together have so many tokens; the first `fixed` stay as they are."""
        if self._tokenizer.is_estimate:
            needed = words_for(tokens)
            return [*beginning, *generator.choices(self._words, k=max(needed - len(beginning), 0))][:needed]
        words = [*beginning, *generator.choices(self._words, k=max(tokens - len(beginning), 0))]
        per_word = 1
        for _ in range(_MOST_REPAIRS):
            missing = tokens - self._tokenizer.count(" ".join(words))
            if missing == 0:
                return words
            if missing < 0:
                surplus = max(1, -missing // per_word)
                if len(words) - surplus <= fixed:
                    surplus = len(words) - fixed - 1
                if surplus <= 0:
                    break
                del words[len(words) - surplus :]
            elif missing < per_word:
                return self._ended(words, tokens)
            else:
                words += generator.choices(self._words, k=max(1, missing // per_word))
            per_word = self._costliest(per_word)
        return self._ended(words, tokens)

    def _costliest(self, known: int) -> int:
        """The most tokens of a word, which is what can be too much or too little after one of them."""
        if known > 1:
            return known
        return max(1, *costs(self._tokenizer, self._words))

    def _ended(self, words: list[str], tokens: int) -> list[str]:
        """The words with a last one that makes up for the tokens that no whole word has."""
        text = " ".join(words)
        for letter in ("a", "z", ".", " a"):
            for count in range(1, _MOST_ENDINGS):
                ending = letter * count
                if self._tokenizer.count(text + ending) == tokens:
                    return [*words[:-1], words[-1] + ending]
        raise DataError(
            f"no text of exactly {tokens} tokens was found with the tokenizer {self._tokenizer.name}: the nearest has "
            f"{self._tokenizer.count(text)}; write another length, or another tokenizer"
        )


def words_for(tokens: int) -> int:
    """The number of words that an estimate takes for so many tokens: 750 for 1000, rounded, and one at least."""
    return max(1, (3 * tokens + 2) // 4)


def costs(tokenizer: Tokenizer, words: Sequence[str]) -> list[int]:
    """The tokens of each word inside a text."""
    alone, *counts = tokenizer.count_many([_BEFORE, *(f"{_BEFORE} {word}" for word in words)])
    return [count - alone for count in counts]


def _of_fewest_tokens(tokenizer: Tokenizer, words: list[str]) -> list[str]:
    """The words that are one token at the beginning of a text, where no space stands before them."""
    single = [word for word, count in zip(words, tokenizer.count_many(words), strict=True) if count == 1]
    return single if len(single) >= _FEWEST_WORDS else words


def words_of_one_token(tokenizer: Tokenizer) -> list[str]:
    """The common words that are one token inside a text; all of them where hardly any is."""
    if tokenizer.is_estimate:
        return list(COMMON_WORDS)
    single = [word for word, cost in zip(COMMON_WORDS, costs(tokenizer, COMMON_WORDS), strict=True) if cost == 1]
    return single if len(single) >= _FEWEST_WORDS else list(COMMON_WORDS)
