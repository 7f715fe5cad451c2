"""Answers that begin with their prompt."""

from __future__ import annotations

import pytest

from fmbench_lib.predictors.base import Completion, Event, may_echo_prompt
from fmbench_lib.predictors.echo import PromptMark
from fmbench_lib.predictors.echo import without_prompt as without
from fmbench_lib.predictors.generate import GeneratePredictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.rest import LAST_IN_PATH, SENTENCE, RestPredictor
from fmbench_lib.predictors.triton import TritonPredictor


def answered(*texts: str) -> Completion:
    return Completion(text="".join(texts), events=tuple(Event(n, text) for n, text in enumerate(texts, 1)))


def without_prompt(completion: Completion, prompt: str) -> Completion:
    return without(completion, PromptMark.of(prompt))


def test_the_prompt_is_removed_from_the_first_event() -> None:
    completion = without_prompt(answered("What? Yes. What?", " No"), "What?")
    assert completion.text == " Yes. What? No"
    assert completion.events == (Event(1, " Yes. What?"), Event(2, " No"))


def test_an_event_with_only_the_prompt_is_removed() -> None:
    assert without_prompt(answered("What?", " Yes"), "What?").events == (Event(2, " Yes"),)


@pytest.mark.parametrize("prompt", ["Who?", "What? And", ""])
def test_what_begins_otherwise_stays(prompt: str) -> None:
    assert without_prompt(answered("What? Yes"), prompt) == answered("What? Yes")


def test_nothing_but_the_prompt_is_empty() -> None:
    assert without_prompt(answered("What?"), "What?").error_class == "empty"


def test_an_error_stays_what_it_was() -> None:
    failed = Completion(text="What?", events=(Event(1, "What?"),), error_class="truncated", error_message="cut")
    assert without_prompt(failed, "What?").error_class == "truncated"


def test_which_codecs_may_be_answered_so() -> None:
    assert may_echo_prompt(RestPredictor("http://h", SENTENCE))
    assert may_echo_prompt(RestPredictor("http://h", LAST_IN_PATH))
    assert may_echo_prompt(TritonPredictor("http://h"))
    assert may_echo_prompt(GeneratePredictor("http://h", "djl"))
    assert may_echo_prompt(GeneratePredictor("http://h", "tgi", {"return_full_text": True}))
    assert not may_echo_prompt(GeneratePredictor("http://h", "tgi"))
    assert not may_echo_prompt(OpenAiPredictor("http://h"))
