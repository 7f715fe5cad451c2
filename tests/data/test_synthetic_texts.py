"""Texts of exact lengths: with tokenizers of every kind, counted again as a whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Engine

from fmbench_lib.data.common_words import COMMON_WORDS
from fmbench_lib.data.synthetic_texts import SyntheticTexts, words_for
from fmbench_lib.data.tokenizers import ModelTokenizer, Tokenizer, WordTokenizer, load_tokenizer
from fmbench_lib.errors import DataError
from fmbench_lib.models.embedded import EMBEDDED_MODEL
from tests.data.test_prompts import CharacterTokenizer


def corpus() -> Iterator[str]:
    """Sentences of some of the words, so that the others are several tokens each."""
    generator = random.Random(1)
    for _ in range(2000):
        yield " ".join(generator.choices(COMMON_WORDS[::3], k=12)) + "."


def byte_level_bpe() -> Engine:
    engine = Engine(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=1500, show_progress=False))
    return engine


def sentencepiece_bpe() -> Engine:
    """As Llama 2's: words are not split before merging, and a space stands before the text."""
    engine = Engine(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    engine.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    engine.pre_tokenizer = pre_tokenizers.Split(Regex("(?=▁)"), "isolated")
    engine.train_from_iterator(
        corpus(), trainers.BpeTrainer(vocab_size=1500, special_tokens=["<unk>"], show_progress=False)
    )
    engine.pre_tokenizer = pre_tokenizers.Sequence([])
    return engine


def unigram() -> Engine:
    engine = Engine(models.Unigram())
    engine.pre_tokenizer, engine.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    engine.train_from_iterator(
        corpus(),
        trainers.UnigramTrainer(vocab_size=1200, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False),
    )
    return engine


def word_piece() -> Engine:
    engine = Engine(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer, engine.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    engine.train_from_iterator(
        corpus(), trainers.WordPieceTrainer(vocab_size=1200, special_tokens=["[UNK]"], show_progress=False)
    )
    return engine


def tiny_bpe() -> Engine:
    """So few merges that no word is one token."""
    engine = Engine(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(vocab_size=280, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    return engine


TRAINED = [byte_level_bpe, sentencepiece_bpe, unigram, word_piece, tiny_bpe]


@pytest.fixture(scope="module", params=[*TRAINED, None], ids=lambda make: make.__name__ if make else "embedded")
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    make: Callable[[], Engine] | None = request.param
    return load_tokenizer(EMBEDDED_MODEL, folders=()) if make is None else ModelTokenizer(make.__name__, make())


@pytest.mark.parametrize("tokens", [7, 128, 1000])
def test_a_text_has_exactly_the_tokens_asked_for(tokenizer: Tokenizer, tokens: int) -> None:
    texts = SyntheticTexts(tokenizer, "1/0")
    made = [texts.text(number, tokens) for number in range(20)]
    assert [tokenizer.count(text) for text in made] == [tokens] * 20


def test_so_has_one_with_a_prefix_that_all_share(tokenizer: Tokenizer) -> None:
    texts = SyntheticTexts(tokenizer, "1/0", shared_prefix_tokens=40)
    made = [texts.text(number, 100 + number) for number in range(20)]
    assert [tokenizer.count(text) for text in made] == [100 + number for number in range(20)]
    shared = common_prefix(made)
    assert tokenizer.count(shared.rpartition(" ")[0]) >= 40


def test_no_two_are_alike_and_none_begins_as_another() -> None:
    tokenizer = load_tokenizer(EMBEDDED_MODEL, folders=())
    texts = SyntheticTexts(tokenizer, "1/0")
    made = [texts.text(number, 30) for number in range(1500)]
    assert len(set(made)) == 1500
    first = [text.split()[0] for text in made[:600]]
    assert len(set(first)) == 600
    assert len({tuple(text.split()[:2]) for text in made}) == 1500  # with more texts than words, by the second


def test_the_seed_decides() -> None:
    one, same, other = (SyntheticTexts(WordTokenizer(), seed).text(3, 100) for seed in ("1/0", "1/0", "2/0"))
    assert one == same != other


def test_a_shorter_text_with_the_same_number_is_the_beginning_of_the_longer_one() -> None:
    texts = SyntheticTexts(load_tokenizer(EMBEDDED_MODEL, folders=()), "1/0")
    assert texts.text(5, 100).startswith(texts.text(5, 70))


@pytest.mark.parametrize("tokens", [1, 2, 128, 1000, 4001])
def test_an_estimate_has_three_words_for_four_tokens(tokens: int) -> None:
    text = SyntheticTexts(WordTokenizer(), "1/0").text(0, tokens)
    assert len(text.split()) == words_for(tokens) == max(1, int(0.75 * tokens + 0.5))


def test_a_character_may_be_a_token() -> None:
    tokenizer = CharacterTokenizer()
    texts = SyntheticTexts(tokenizer, "1/0")
    assert [len(texts.text(number, tokens)) for number, tokens in enumerate((20, 55, 300))] == [20, 55, 300]


def test_what_cannot_be_made_is_an_error_that_says_the_nearest() -> None:
    class Pairs(CharacterTokenizer):
        def count(self, text: str) -> int:
            return 2 * len(text)

        def count_many(self, texts: object) -> list[int]:
            return [self.count(text) for text in texts]  # type: ignore[attr-defined]

    with pytest.raises(DataError, match=r"no text of exactly 33 tokens was found with the tokenizer characters"):
        SyntheticTexts(Pairs(), "1/0").text(0, 33)


def common_prefix(texts: list[str]) -> str:
    """What all of them begin with: what the first and the last in order have in common."""
    first, last = min(texts), max(texts)
    return first[: next((index for index, pair in enumerate(zip(first, last, strict=False)) if len(set(pair)) > 1), 0)]
