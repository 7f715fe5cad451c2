"""What becomes of the marks around a container's text, in each form of its streams."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.predictors.answer import Answer
from fmbench_lib.predictors.base import Event
from fmbench_lib.predictors.container_messages import Marked, take

FORMS: dict[str, Callable[[str], Any]] = {
    "token": lambda words: {"token": {"text": words}},
    "outputs": lambda words: {"outputs": [words]},
    "chat": lambda words: {"choices": [{"delta": {"content": words}}]},
    "completion": lambda words: {"choices": [{"text": words}]},
}


def events(said: Iterable[Any], start: str | None = None, stop: str | None = None) -> list[Event]:
    """What a stream of these objects says; each ends at a byte ten behind the one before."""
    marked = Marked(Answer(True), start, stop)
    for number, one in enumerate(said, 1):
        take(one, 10 * number, marked)
    return marked.answer.events


@pytest.mark.parametrize("form", FORMS)
def test_what_stands_outside_of_the_marks_is_left_out(form: str) -> None:
    said = map(FORMS[form], ["", "<s>Hi", " <s>there</s>", " more"])
    assert events(said, "<s>", "</s>") == [Event(20, "Hi"), Event(30, " <s>there")]


def test_reasoning_has_no_marks() -> None:
    reasoning = {"choices": [{"delta": {"reasoning_content": "</s>?"}}]}
    said = [reasoning, FORMS["chat"]("<s>a</s>"), reasoning, FORMS["chat"]("b")]
    assert events(said, "<s>", "</s>") == [Event(10, "</s>?", True), Event(20, "a"), Event(30, "</s>?", True)]


def test_start_and_stop_tokens_of_a_whole_answer() -> None:
    marked = Marked(Answer(False), "<s>", "</s>")
    take({"choices": [{"message": {"content": "<s>Hi</s> more"}, "finish_reason": "stop"}]}, 9, marked)
    assert (marked.answer.events, marked.answer.finish_reason) == ([Event(9, "Hi")], "stop")


@given(st.sets(st.integers(min_value=1, max_value=15)), st.sampled_from(sorted(FORMS)))
def test_a_stop_token_may_be_cut_over_events(cuts: set[int], form: str) -> None:
    text = "a<</s b</</s>zzz"
    wanted = text[: text.index("</s>")]
    pieces = [text[start:stop] for start, stop in itertools.pairwise([0, *sorted(cuts), len(text)])]
    said = events(map(FORMS[form], pieces), stop="</s>")
    starts = itertools.accumulate(map(len, pieces), initial=0)
    assert "".join(one.text for one in said) == wanted
    assert [one.end_offset for one in said] == [
        10 * number for number, start in enumerate(starts, 1) if start < len(wanted)
    ]


def test_the_beginning_of_a_stop_token_alone_is_content() -> None:
    said = [one.text for one in events(map(FORMS["outputs"], ["a", "<", "/s", " b</"]), stop="</s>")]
    assert said == ["a", "<", "/s", " b</"]
