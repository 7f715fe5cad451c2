"""An answer's text against every acceptable one: the best of them counts. Shares from 0 to 1.

Exact match, contains and token F1 compare texts as SQuAD does (Rajpurkar 2016): in lower case, without punctuation and
English articles; beyond ASCII as MLQA does (Lewis 2020): punctuation of every script, and each character of a script
that is written without spaces is a word. ROUGE-L (Lin 2004) is rouge-score's F-measure without stemming, over the same
words beyond ASCII, chrF (Popović 2015) sacreBLEU's, the Levenshtein ratio and the token-set ratio are RapidFuzz's.
"""

from __future__ import annotations

import importlib.util
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

LONGEST = 20_000
"""Characters of a text that are compared: some scores take time with the product of two lengths."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff][\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u3099\u309a]*)"
)
"""Characters of Thai, Lao, Burmese, Khmer, Japanese and Chinese, which are written without spaces between words."""
_WORD = re.compile(r"\w+")
_NEEDS = {
    "rouge_l": "rouge_score",
    "chrf": "sacrebleu",
    "levenshtein_ratio": "rapidfuzz",
    "token_set_ratio": "rapidfuzz",
}

Compare = Callable[[str, str], float]


def normalized(text: str) -> str:
    """A text in lower case, without punctuation, English articles and extra spaces."""
    return " ".join(_ARTICLES.sub(" ", "".join(filter(_is_said, _apart(text.lower())))).split())


def _apart(text: str) -> str:
    """A text in one form of Unicode (NFC), with spaces around characters of scripts that are written without."""
    return text if text.isascii() else _UNSPACED.sub(r" \1 ", unicodedata.normalize("NFC", text))


def _is_said(character: str) -> bool:
    """Whether a character is more than punctuation."""
    if character.isascii():
        return character not in _PUNCTUATION
    return not unicodedata.category(character).startswith("P")


_PUNCTUATION = frozenset(string.punctuation)


def exact_match(answer: str, truth: str) -> float:
    """Whether the two are the same, apart from case, punctuation, articles and spaces; in all, where they are no more
    than that."""
    ours, theirs = normalized(answer), normalized(truth)
    return float(ours == theirs if ours or theirs else answer.strip() == truth.strip())


def contains(answer: str, truth: str) -> float:
    """Whether the words of the truth stand in the answer, one after the other; an empty truth is in none."""
    wanted = normalized(truth)
    return float(bool(wanted) and f" {wanted} " in f" {normalized(answer)} ")


def token_f1(answer: str, truth: str) -> float:
    """The harmonic mean of precision and recall of the truth's words; without any, whether the texts are the same."""
    ours, theirs = normalized(answer).split(), normalized(truth).split()
    if not ours or not theirs:
        return exact_match(answer, truth)
    common = (Counter(ours) & Counter(theirs)).total()
    return 2 * common / (len(ours) + len(theirs))


def rouge_l(answer: str, truth: str) -> float:
    """The F-measure of the longest common subsequence of words."""
    return float(_rouge().score(truth, answer)["rougeL"].fmeasure)


def chrf(answer: str, truth: str) -> float:
    """The F-score of character n-grams, up to six characters."""
    return float(_chrf().sentence_score(answer, [truth]).score) / 100


def levenshtein_ratio(answer: str, truth: str) -> float:
    """1 less the edits between the two over the length of the longer one."""
    from rapidfuzz.distance import Levenshtein

    return float(Levenshtein.normalized_similarity(answer, truth))


def token_set_ratio(answer: str, truth: str) -> float:
    """How alike the two sets of words are, whatever the order and however many more one has."""
    from rapidfuzz import fuzz, utils

    return float(fuzz.token_set_ratio(answer, truth, processor=utils.default_process)) / 100


SCORES: dict[str, Compare] = {
    "exact_match": exact_match,
    "contains": contains,
    "token_f1": token_f1,
    "rouge_l": rouge_l,
    "chrf": chrf,
    "levenshtein_ratio": levenshtein_ratio,
    "token_set_ratio": token_set_ratio,
}
"""Every text score by its column. A new one is a function and a row."""


def text_scores(answer: str, truths: Sequence[str]) -> dict[str, float | None]:
    """Every score of an answer against the acceptable text that fits best; None where there is none, or where the
    library of a score is not installed."""
    missing = missing_scores()
    scores: dict[str, float | None] = {}
    for name, compare in SCORES.items():
        known = truths and name not in missing
        scores[name] = max(compare(answer[:LONGEST], truth[:LONGEST]) for truth in truths) if known else None
    return scores


@lru_cache(maxsize=1)
def missing_scores() -> frozenset[str]:
    """The scores whose library is not installed."""
    return frozenset(name for name, module in _NEEDS.items() if importlib.util.find_spec(module) is None)


@lru_cache(maxsize=1)
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_RougeWords())


class _RougeWords:
    """The words of ROUGE: rouge-score's of a text in ASCII; its own tokenizer would drop all letters beyond that."""

    def tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenizers import DefaultTokenizer

        if text.isascii():
            words: list[str] = DefaultTokenizer(use_stemmer=False).tokenize(text)
            return words
        return _WORD.findall(_apart(text.lower()).replace("_", " "))


@lru_cache(maxsize=1)
def _chrf() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF()
