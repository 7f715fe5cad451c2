"""Counts held against what was seen: which are used, what is said, and whether there is a time per token."""

from __future__ import annotations

from itertools import accumulate

import pytest

from fmbench_lib.metrics.plausibility import REMARKS, Counted, OwnCount, Seen, both_sources, is_buffered, judge_response

TWENTY = Seen(events=20, wait=0.1, span=0.19, text=20 * "wor ", size=80)
"""Twenty words of three letters, 10 ms apart."""


def own(completion: int = 27, prompt: int | None = 33, source: str = "words") -> OwnCount:
    return OwnCount(source, prompt, lambda: completion)


def test_a_plausible_count_is_used_and_nothing_is_said() -> None:
    judged = judge_response(TWENTY, Counted(10, 20), own())
    assert (judged.prompt, judged.completion, judged.seen_tokens, judged.remarks) == (10, 20, 20, ())
    assert (judged.prompt_source, judged.completion_source) == ("server", "server")


def test_the_tokenizer_is_not_asked_for_what_the_server_counts() -> None:
    def never() -> int:
        raise AssertionError("counted in vain")

    assert judge_response(TWENTY, Counted(10, 20), OwnCount("tokenizer", 9, never)).completion == 20


def test_each_side_has_its_own_source() -> None:
    judged = judge_response(TWENTY, Counted(None, 20), own())
    assert (judged.prompt, judged.prompt_source) == (33, "words")
    assert (judged.completion, judged.completion_source) == (20, "server")
    assert judged.remarks == ("count_missing",)


def test_a_server_that_never_counts_is_told_by_the_source_alone() -> None:
    judged = judge_response(TWENTY, Counted(), own())
    assert (judged.prompt, judged.completion, judged.seen_tokens) == (33, 27, 27)
    assert (judged.prompt_source, judged.completion_source, judged.remarks) == ("words", "words", ())


def test_zeros_beside_text_are_said_though_nothing_else_is_counted() -> None:
    zeros = Counted(unknown_zeros=frozenset({"prompt", "completion"}))
    assert judge_response(TWENTY, zeros, own()).remarks == ("count_missing",)


def test_an_estimate_is_never_below_the_number_of_events() -> None:
    assert judge_response(TWENTY, Counted(), own(completion=1)).completion == 20


def test_hidden_reasoning_is_billed_and_does_not_enter_tpot() -> None:
    judged = judge_response(TWENTY, Counted(10, 401, reasoning=381), own())
    assert (judged.completion, judged.seen_tokens, judged.remarks) == (401, 20, ("hidden_reasoning",))


def test_reasoning_that_was_shown_enters_tpot() -> None:
    shown = TWENTY._replace(reasoning_size=40)
    judged = judge_response(shown, Counted(10, 20, reasoning=10), own())
    assert (judged.seen_tokens, judged.remarks) == (20, ())


def test_a_summary_of_hidden_reasoning_makes_what_was_seen_an_estimate() -> None:
    judged = judge_response(TWENTY._replace(reasoning_size=40), Counted(10, 401, reasoning=381), own())
    assert (judged.completion, judged.seen_tokens, judged.remarks) == (401, 27, ("hidden_reasoning",))


def test_more_tokens_than_bytes_were_not_all_seen() -> None:
    late = TWENTY._replace(wait=4.0)  # 420 tokens that did not come, at the 10 ms of those that did: 4.2 s
    judged = judge_response(late, Counted(10, 500), own())
    assert (judged.completion, judged.seen_tokens, judged.remarks) == (500, 27, ("hidden_reasoning",))
    assert judge_response(late, Counted(10, 500), None).seen_tokens is None


@pytest.mark.parametrize(
    ("seen", "count"),
    [
        (TWENTY, 500),  # 420 tokens in 0.29 s, beside 20 at 10 ms each
        (TWENTY, 50_000),
        (TWENTY._replace(wait=60.0), 50_000),  # at a quarter of 10 ms: 125 s
        (TWENTY._replace(events=1, span=0.0, wait=5.0, streamed=False), 50_000),  # whole: at 0.2 ms 10 s
    ],
)
def test_tokens_that_nobody_had_time_to_generate_are_no_hidden_reasoning(seen: Seen, count: int) -> None:
    judged = judge_response(seen, Counted(10, count), own())
    assert (judged.completion, judged.completion_source, judged.seen_tokens) == (27, "words", 27)
    assert judged.remarks == ("count_implausible",)
    assert judge_response(seen, Counted(10, count), None).completion is None  # nobody knows


def test_reasoning_that_is_counted_needs_time_too() -> None:
    counted = Counted(10, 50_020, reasoning=50_000)
    early, late = (judge_response(TWENTY._replace(wait=wait), counted, own()) for wait in (0.1, 60.0))
    assert (early.completion, early.reasoning, early.remarks) == (27, None, ("count_implausible",))
    assert (late.completion, late.reasoning, late.remarks) == (50_020, 50_000, ("hidden_reasoning",))


@pytest.mark.parametrize(
    ("counted", "cached", "reasoning"),
    [
        (Counted(12, 20, cached=500), None, None),
        (Counted(12, 20, cached=13), None, None),
        (Counted(12, 20, cached=12), 12, None),
        (Counted(None, 20, cached=500), None, None),  # our own count of the prompt is 33
        (Counted(None, 20, cached=40), 40, None),  # which may be exceeded by what the server puts around it
        (Counted(12, 20, reasoning=21), None, None),
        (Counted(12, 20, reasoning=20), None, 20),
    ],
)
def test_a_part_is_not_more_than_the_whole(counted: Counted, cached: int | None, reasoning: int | None) -> None:
    judged = judge_response(TWENTY._replace(reasoning_size=40), counted, own())
    assert (judged.completion, judged.cached, judged.reasoning) == (20, cached, reasoning)
    implausible = (counted.cached, counted.reasoning) != (cached, reasoning)
    assert ("count_implausible" in judged.remarks) is implausible


@pytest.mark.parametrize(
    "seen",
    [TWENTY._replace(events=400), TWENTY._replace(text="x" * 2000, size=2000)],
    ids=["events", "characters"],
)
def test_a_count_far_below_what_came_is_not_used(seen: Seen) -> None:
    judged = judge_response(seen, Counted(10, 20), own(completion=533))
    assert (judged.completion, judged.completion_source, judged.seen_tokens) == (533, "words", 533)
    assert judged.remarks == ("count_implausible",)
    alone = judge_response(seen, Counted(10, 20), None)  # nobody else counts
    assert (alone.completion, alone.seen_tokens, alone.remarks) == (None, None, ("count_implausible",))


def test_content_that_is_not_text_has_no_characters_to_compare() -> None:
    sound = TWENTY._replace(text="", size=0, media=True)
    assert judge_response(sound, Counted(10, 500), own()).seen_tokens == 500


@pytest.mark.parametrize(
    ("seen", "tokens", "expected"),
    [
        (TWENTY, 20, False),
        (TWENTY._replace(span=0.0), 20, True),
        (TWENTY._replace(events=1, span=0.0, size=700), 200, True),  # one event of 200 tokens
        (TWENTY._replace(events=1, span=0.0), 1, False),  # one token has no time per token anyway
        (TWENTY._replace(events=2, span=0.01, size=500_000), 20_000, True),  # 2 million tokens a second
        (TWENTY._replace(events=74, wait=1.0, span=0.012), 74, True),  # flushed after a second
        (TWENTY._replace(events=74, wait=0.05, span=0.012), 74, False),  # fast, and from the beginning
        (TWENTY._replace(wait=10.0, span=0.19), 20, False),  # a long wait, then 10 ms a token
    ],
)
def test_what_is_buffered(seen: Seen, tokens: int, expected: bool) -> None:
    assert is_buffered(seen, tokens) is expected
    assert ("buffered" in judge_response(seen, Counted(1, tokens), None).remarks) is expected


def _times(gaps: list[float]) -> tuple[float, ...]:
    return tuple(accumulate(gaps, initial=0.0))


@pytest.mark.parametrize(
    ("gaps", "wait", "expected"),
    [
        (69 * [2e-4] + 4 * [0.025], 1.0, True),  # 0.11 s for 74 events: four stalls in a flush
        (73 * [1.5e-3], 1.0, False),  # as long and even: a fast model
        (69 * [2e-4] + 4 * [0.025], 0.4, False),  # a good part of the answer's time
        (10 * [0.0] + [4e-3] + 8 * [0.0], 0.001, True),  # one answer in two reads
        (10 * [0.0] + [40e-3] + 8 * [0.0], 0.001, False),  # 2 ms a token: two steps of an engine
        (5 * [0.0] + [2e-3] + 5 * [0.0] + [2e-3] + 6 * [0.0], 0.001, False),  # nobody knows
        (8 * (9 * [0.0] + [0.05]), 5.0, False),  # ten tokens a step of 50 ms, as engines with several steps send them
    ],
)
def test_a_flush_that_a_busy_machine_interrupted(gaps: list[float], wait: float, expected: bool) -> None:
    times = _times(gaps)
    seen = TWENTY._replace(events=len(times), wait=wait, span=times[-1], times=times)
    assert is_buffered(seen, len(times)) is expected


def test_an_answer_that_did_not_stream_is_not_buffered() -> None:
    assert judge_response(TWENTY._replace(span=0.0, streamed=False), Counted(1, 20), None).remarks == ()


def test_no_answer_and_several_choices_are_said() -> None:
    odd = TWENTY._replace(answered=False, choices=2)
    assert judge_response(odd, Counted(1, 20), None).remarks == ("no_answer", "several_choices")


def test_every_remark_is_explained() -> None:
    assert {"buffered", "echo", "cumulative", "not_streamed"} < set(REMARKS)


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        (("server", "server"), "server"),
        (("words", "server"), "prompt:words+completion:server"),
        ((None, "server"), "server"),
        ((None, None), None),
    ],
)
def test_sources_of_both_sides(sides: tuple[str | None, str | None], said: str | None) -> None:
    assert both_sources(*sides) == said
