"""Prompt tokens that a server wrote to its cache, in the spellings of those that charge for it."""

from __future__ import annotations

from typing import Any

import pytest

from fmbench_lib.load.recording.recorder import _written
from fmbench_lib.metrics.plausibility import Judgement
from fmbench_lib.predictors import bedrock_invoke, converse_messages
from fmbench_lib.predictors.answer import Answer
from fmbench_lib.predictors.usage import take_usage


@pytest.mark.parametrize(
    "spelt",
    [
        {"cache_creation_input_tokens": 500},
        {"cache_write_input_tokens": 500},
        {"prompt_tokens_details": {"cached_tokens": 7, "cache_write_tokens": 500}},
        {"prompt_tokens_details": {"cache_write_tokens": 0}, "cache_creation_input_tokens": 500},
    ],
)
def test_chat_completions_and_their_gateways(spelt: dict[str, Any]) -> None:
    answer = Answer(streamed=False)
    take_usage({"prompt_tokens": 2000, "completion_tokens": 5, **spelt}, answer)
    assert (answer.prompt_tokens, answer.cache_write_tokens) == (2000, 500)


def test_converse_counts_them_beside_the_prompt() -> None:
    answer = Answer(streamed=False)
    usage = {"inputTokens": 300, "outputTokens": 150, "cacheReadInputTokens": 1200, "cacheWriteInputTokens": 500}
    converse_messages.take_usage(usage, answer)
    assert (answer.prompt_tokens, answer.cached_tokens, answer.cache_write_tokens) == (2000, 1200, 500)


def test_anthropic_on_bedrock_counts_them_beside_the_prompt() -> None:
    answer = Answer(streamed=False)
    usage = {"input_tokens": 300, "cache_read_input_tokens": 1200, "cache_creation_input_tokens": 500}
    bedrock_invoke._take_token_usage({**usage, "output_tokens": 150}, answer)
    assert (answer.prompt_tokens, answer.cached_tokens, answer.cache_write_tokens) == (2000, 1200, 500)


def test_a_server_that_says_nothing_wrote_an_unknown_number() -> None:
    answer = Answer(streamed=False)
    take_usage({"prompt_tokens": 2000, "completion_tokens": 5}, answer)
    assert answer.cache_write_tokens is None


@pytest.mark.parametrize(
    ("written", "prompt", "cached", "kept"),
    [
        (500, 2000, 1200, 500),
        (800, 2000, 1200, 800),
        (801, 2000, 1200, None),
        (5, None, None, None),
        (None, 9, 0, None),
    ],
)
def test_more_than_the_prompt_has_room_for_is_not_kept(
    written: int | None, prompt: int | None, cached: int | None, kept: int | None
) -> None:
    judged = Judgement(prompt, "server", 5, "server", 5, (), cached, None)
    assert _written(written, judged) == kept
