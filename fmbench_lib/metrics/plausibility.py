"""Counts and times held against each other: which token counts of a response are used, and whether its times mean
anything per token.

A server may count hidden tokens, count nothing, or count wrongly; a proxy may hold an answer back and send it at once.
What was seen tells: content events, characters, and the span in which they came. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

REMARKS: dict[str, str] = {
    "buffered": "content came at once, so that it has no TPOT and no ITL",
    "not_streamed": "streaming was asked for, and the answer came whole",
    "hidden_reasoning": "the server counts tokens that it did not send, which TPOT leaves out",
    "no_answer": "the answer has reasoning and nothing else",
    "count_missing": "the server counted nothing on a side that has text",
    "count_implausible": "the server's count cannot be that of the text that came",
    "several_choices": "several answers came interleaved: TPOT is that of one, and there is no ITL",
    "cumulative": "messages repeated the text before them, which was taken off",
    "echo": "the answer began with the prompt, which was taken off",
}
"""What may be said of one response."""

REMARK_SEPARATOR = "+"

_LEAST_S_PER_TOKEN = 50e-6
"""20,000 tokens/s of one stream: nothing generates so fast."""
_LEAST_S_PER_EVENT = 500e-6
_LEAST_SHARE_OF_WAIT = 0.05
"""Events closer than the first, in less than this share of the time before them, were held back and flushed."""
_MOST_CHARACTERS_PER_TOKEN = 25
_MOST_EVENTS_PER_TOKEN = 4
_SPARE_CHARACTERS, _SPARE_EVENTS, _SPARE_TOKENS = 100, 8, 32
_LEAST_BYTES_PER_SHOWN_TOKEN = 1.5


class Seen(NamedTuple):
    """What came of a response.

    `wait`: from sending to the first of its events, `span`: from there to the last · `text` of all of them, `size` in
    bytes, `reasoning_size` of it reasoning · `media`: some content is not text · `answered`: some is not reasoning.
    """

    events: int
    wait: float
    span: float
    text: str
    size: int
    reasoning_size: int = 0
    media: bool = False
    answered: bool = True
    streamed: bool = True
    choices: int = 1


class Counted(NamedTuple):
    """What the server counted; None for what it did not. `unknown_zeros`: sides that it counted as 0 beside text."""

    prompt: int | None = None
    completion: int | None = None
    reasoning: int | None = None
    unknown_zeros: frozenset[str] = frozenset()


class OwnCount(NamedTuple):
    """Counts by the experiment's tokenizer, whose `source` is `tokenizer`, or `words` for an estimate."""

    source: str
    prompt: int | None
    completion: Callable[[], int]


class Judgement(NamedTuple):
    """The counts to use and who counted them.

    `seen_tokens` are those of the completion that came to be seen, None where unknown: TPOT is about these. `remarks`
    are keys of `REMARKS`.
    """

    prompt: int | None
    prompt_source: str | None
    completion: int | None
    completion_source: str | None
    seen_tokens: int | None
    remarks: tuple[str, ...]


def both_sources(prompt: str | None, completion: str | None) -> str | None:
    """Who counted the tokens of a request: one source, or one for each side as `prompt:words+completion:server`."""
    if prompt is None or completion is None or prompt == completion:
        return prompt or completion
    return f"prompt:{prompt}+completion:{completion}"


def judge_response(seen: Seen, counted: Counted, own: OwnCount | None) -> Judgement:
    """Decide which counts of a success are used, and what is to be said of it.

    The server's count is used unless it is missing or cannot be true; then the tokenizer's, which is never below the
    number of content events.
    """
    remarks = [] if counted.completion is not None and counted.prompt is not None else _missing(counted)
    estimate = None if own is None else max(own.completion(), seen.events) if _needs_own(seen, counted) else None
    completion, source = counted.completion, "server"
    if completion is None or _too_few(completion, seen):
        remarks += [] if completion is None else ["count_implausible"]
        completion, source = (estimate, own.source) if own is not None else (completion, "server")
    prompt, prompt_source = counted.prompt, "server"
    if prompt is None and own is not None:
        prompt, prompt_source = own.prompt, own.source
    shown = _shown(completion, seen, counted, estimate)
    if completion is not None and shown != completion and "count_implausible" not in remarks:
        remarks.append("hidden_reasoning")
    if seen.streamed and is_buffered(seen, shown):
        remarks.append("buffered")
    remarks += [] if seen.answered else ["no_answer"]
    remarks += ["several_choices"] if seen.choices > 1 else []
    return Judgement(
        prompt,
        None if prompt is None else prompt_source,
        completion,
        None if completion is None else source,
        shown,
        tuple(remarks),
    )


def is_buffered(seen: Seen, tokens: int | None) -> bool:
    """Whether the events of a stream came faster one after the other than anything generates them.

    Content of one read has one time; a flush of many reads is told by their distance beside the wait before them.
    """
    most = max(tokens or 0, seen.events)
    if most < 2:
        return False
    if seen.span < _LEAST_S_PER_TOKEN * (most - 1):  # in one read, or nearly
        return True
    per_event = seen.span / max(seen.events - 1, 1)
    return per_event < _LEAST_S_PER_EVENT and seen.span < _LEAST_SHARE_OF_WAIT * seen.wait


def _missing(counted: Counted) -> list[str]:
    """Nothing is said where the server counts neither side: `token_source` says it."""
    one_side = (counted.prompt is None) != (counted.completion is None)
    return ["count_missing"] if one_side or counted.unknown_zeros else []


def _needs_own(seen: Seen, counted: Counted) -> bool:
    count = counted.completion
    return count is None or _too_few(count, seen) or _hidden(count, seen, counted) != 0


def _too_few(count: int, seen: Seen) -> bool:
    """Whether so many tokens cannot hold the text that came: each has a few characters, and an event one at least."""
    if seen.media or not seen.size:
        return False
    most = _MOST_CHARACTERS_PER_TOKEN * count + _SPARE_CHARACTERS
    by_text = seen.size > most and sum(map(len, seen.text.split())) > most  # white space needs few tokens
    return by_text or seen.events > _MOST_EVENTS_PER_TOKEN * count * seen.choices + _SPARE_EVENTS


def _hidden(count: int, seen: Seen, counted: Counted) -> int | None:
    """How many of the tokens were not seen, None where they are some and it cannot be told how many.

    Reasoning that was counted and did not come is hidden. A token has a byte of text at least, so what is counted
    beyond the bytes was not seen either.
    """
    if seen.media or not seen.size:
        return 0
    reasoning = counted.reasoning or 0
    if reasoning and seen.reasoning_size < _LEAST_BYTES_PER_SHOWN_TOKEN * reasoning - _SPARE_TOKENS:
        return reasoning if not seen.reasoning_size and reasoning < count else None
    return None if count > seen.size + _SPARE_TOKENS else 0


def _shown(completion: int | None, seen: Seen, counted: Counted, estimate: int | None) -> int | None:
    if completion is None or completion != counted.completion:
        return completion
    if _too_few(completion, seen):
        return None
    hidden = _hidden(completion, seen, counted)
    return estimate if hidden is None else completion - hidden
