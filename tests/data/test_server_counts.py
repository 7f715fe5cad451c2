"""What a server counts: its template, found by asking, and prompts that are exact to it, also without a tokenizer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fmbench_lib.data.common_words import COMMON_WORDS
from fmbench_lib.data.server_counts import ServerCount, learn, texts_of, tokens_of_text
from fmbench_lib.data.tokenizers import Tokenizer, WordTokenizer, load_tokenizer
from fmbench_lib.errors import DataError
from fmbench_lib.models.embedded import EMBEDDED_MODEL

EMBEDDED = load_tokenizer(EMBEDDED_MODEL, folders=())
LENGTHS = (64, 300)


class Server:
    """Counts as a tokenizer does, with a template around each prompt."""

    def __init__(
        self, tokenizer: Tokenizer = EMBEDDED, before: str = "<|im_start|>user\n", after: str = "\nGo:"
    ) -> None:
        self.tokenizer, self.before, self.after = tokenizer, before, after
        self.asked: list[str] = []

    def __call__(self, prompts: Sequence[str]) -> list[int | None]:
        self.asked += prompts
        return [self.tokenizer.count(f"{self.before}{prompt}{self.after}") for prompt in prompts]


class Halves:
    """Every third common word is two tokens, any other is one; the first word of a text has no space before it and is
    one token more."""

    name, is_estimate = "halves", False
    _double = frozenset(COMMON_WORDS[::3])

    def count(self, text: str) -> int:
        words = text.split()
        return 1 + len(words) + sum(word in self._double for word in words)

    def count_many(self, texts: Sequence[str]) -> list[int]:
        return [self.count(text) for text in texts]


def exact(counted: ServerCount | None, tokenizer: Tokenizer, server: Server, shared: int = 0) -> bool:
    """Whether the server counts other prompts as asked for too."""
    assert counted is not None
    texts = texts_of(counted, tokenizer, "measured", shared)
    prompts = [texts.text(number, tokens_of_text(100 + number, counted)) for number in range(50)]
    return server(prompts) == [100 + number for number in range(50)]


def test_the_template_is_the_difference_to_the_tokenizer() -> None:
    server = Server()
    counted = learn(server, EMBEDDED, "1", LENGTHS)
    template = EMBEDDED.count("<|im_start|>user\n") + EMBEDDED.count("\nGo:")
    assert counted == ServerCount(template, None, None, ((64, 64), (300, 300)))
    assert len(server.asked) == 4  # two known texts, and one of each length
    assert exact(counted, EMBEDDED, server)


@pytest.mark.parametrize("tokenizer", [WordTokenizer(), Halves()], ids=["words", "another model's tokenizer"])
def test_without_the_servers_tokenizer_words_of_one_token_are_found_by_asking(tokenizer: Tokenizer) -> None:
    server = Server()
    counted = learn(server, tokenizer, "1", LENGTHS)
    assert counted is not None
    assert counted.words is not None
    assert counted.is_exact
    assert exact(counted, tokenizer, server)
    assert exact(counted, tokenizer, server, shared=20)


def test_words_of_several_tokens_are_left_out() -> None:
    server = Server(Halves(), "", " a b c")
    counted = learn(server, WordTokenizer(), "1", LENGTHS)
    assert counted is not None
    assert counted.words is not None
    assert not set(counted.words) & Halves._double
    assert counted.added == 4  # three words, and one for the beginning
    assert exact(counted, WordTokenizer(), server)


def test_what_was_found_before_is_checked_and_used_again() -> None:
    server = Server()
    earlier = learn(server, WordTokenizer(), "1", LENGTHS)
    server.asked.clear()
    again = learn(server, WordTokenizer(), "1", (90,), earlier)
    assert len(server.asked) == 1
    assert again is not None
    assert again.checked == ((90, 90),)


def test_a_server_that_does_not_count_is_not_guessed() -> None:
    for tokenizer in (EMBEDDED, WordTokenizer()):
        assert learn(lambda prompts: [None] * len(prompts), tokenizer, "1", LENGTHS) is None


def test_a_server_that_counts_by_no_rule_is_not_exact_and_says_so() -> None:
    class Odd(Server):
        def __call__(self, prompts: Sequence[str]) -> list[int | None]:
            return [EMBEDDED.count(prompt) + 7 + (len(prompt) > 1000) for prompt in prompts]

    counted = learn(Odd(), EMBEDDED, "1", LENGTHS)
    assert counted is not None
    assert not counted.is_exact
    assert counted.checked == ((64, 64), (300, 301))


def test_a_prompt_shorter_than_the_template_is_an_error() -> None:
    with pytest.raises(DataError, match=r"a prompt of 4 tokens cannot be made: the server's chat template alone has"):
        learn(Server(), EMBEDDED, "1", (4,))
