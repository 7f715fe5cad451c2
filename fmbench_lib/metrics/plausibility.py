"""Counts and times held against each other: which token counts of a response are used, and whether its times mean
anything per token.

A server may count hidden tokens, count nothing, or count wrongly; a proxy may hold an answer back and send it at once.
What was seen tells: content events, characters, and the span in which they came. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

REMARKS: dict[str, str] = {
    "buffered": "content came at once, so that it has no TPOT and no ITL",
    "not_streamed": "streaming was asked for, and the answer came whole",
    "hidden_reasoning": "the server counts tokens that it did not send, which TPOT leaves out",
    "no_answer": "the answer has reasoning and nothing else",
    "count_missing": "the server counted nothing on a side that has text",
    "count_implausible": "a count of the server's cannot be that of what was sent and came, and is not used",
    "several_choices": "several answers came interleaved: TPOT is that of one, and there is no ITL",
    "cumulative": "messages repeated the text before them, which was taken off",
    "echo": "the answer began with the prompt, which was taken off",
}
"""What may be said of one response."""

REMARK_SEPARATOR = "+"

_LEAST_S_PER_TOKEN = 50e-6
"""20,000 tokens/s of one stream: nothing generates so fast."""
_LEAST_S_PER_EVENT = 500e-6
_TWO_READS = 2
_LEAST_SHARE_OF_WAIT = 0.05
"""Events closer than the first, in less than this share of the time before them, were held back and flushed."""
_LEAST_S_PER_EVENT_STALLED = 2e-3
_LEAST_SHARE_OF_WAIT_STALLED = 0.2
"""The same where half of the events are as close and a few stalls of a busy machine spread the flush."""
_LEAST_S_PER_UNCOUNTED_TOKEN = 200e-6
_MOST_TIMES_FASTER = 4
"""Tokens that did not come and that the server does not call reasoning: 5,000/s, and four times as fast as those that
came."""
_CHARACTERS_PER_TOKEN = 4
_MOST_TIMES_OWN_PROMPT = 2
_MOST_TIMES_SERVERS_PROMPT, _FEW_TOKENS = 8, 16
_MOST_ADDED_TO_PROMPT = 200_000
_LONGEST_PROMPT = 20_000_000
"""Tokens. A server may add a template, instructions, documents or tools to a prompt, or cut it, but not to so few."""
_MOST_CHARACTERS_PER_TOKEN = 25
_MOST_EVENTS_PER_TOKEN = 4
_SPARE_CHARACTERS, _SPARE_EVENTS, _SPARE_TOKENS, _SPARE_PROMPT_TOKENS = 100, 8, 32, 100
_LEAST_BYTES_PER_SHOWN_TOKEN = 1.5


class Seen(NamedTuple):
    """What came of a response.

    `wait`: from sending to the first of its events, `span`: from there to the last; of an answer that did not stream,
    `wait` is all · `times`: when each event came · `text` of all of them, `size` in bytes, `reasoning_size` of it
    reasoning · `media`: some content is not text · `answered`: some is not reasoning.
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
    times: Sequence[float] = ()


class Counted(NamedTuple):
    """What the server counted; None for what it did not. `unknown_zeros`: sides that it counted as 0 beside text."""

    prompt: int | None = None
    completion: int | None = None
    reasoning: int | None = None
    unknown_zeros: frozenset[str] = frozenset()
    cached: int | None = None

    def numbers(self) -> tuple[int | None, int | None, int | None, int | None]:
        """Prompt, completion, cached and reasoning tokens."""
        return self.prompt, self.completion, self.cached, self.reasoning


class OwnCount(NamedTuple):
    """Counts by the experiment's tokenizer, whose `source` is `tokenizer`, or `words` for an estimate."""

    source: str
    prompt: int | None
    completion: Callable[[], int]


class Judgement(NamedTuple):
    """The counts to use and who counted them; `cached` and `reasoning` are parts of the two that only a server counts.

    `seen_tokens` are those of the completion that came to be seen, None where unknown: TPOT is about these. `remarks`
    are keys of `REMARKS`.
    """

    prompt: int | None
    prompt_source: str | None
    completion: int | None
    completion_source: str | None
    seen_tokens: int | None
    remarks: tuple[str, ...]
    cached: int | None = None
    reasoning: int | None = None


def both_sources(prompt: str | None, completion: str | None) -> str | None:
    """Who counted the tokens of a request: one source, or one for each side as `prompt:words+completion:server`."""
    if prompt is None or completion is None or prompt == completion:
        return prompt or completion
    return f"prompt:{prompt}+completion:{completion}"


def judge_response(seen: Seen, counted: Counted, own: OwnCount | None) -> Judgement:
    """Decide which counts of a success are used, and what is to be said of it.

    A count of the server's is used unless it is missing or cannot be true; then the tokenizer's, which is never below
    the number of content events. A part that cannot be one is unknown.
    """
    usable = plausible(seen, counted, own)
    remarks = [] if counted.completion is not None and counted.prompt is not None else _missing(counted)
    remarks += [] if usable is counted else ["count_implausible"]
    estimate = None if own is None else max(own.completion(), seen.events) if _needs_own(seen, usable) else None
    completion, source = usable.completion, "server"
    if completion is None and own is not None:
        completion, source = estimate, own.source
    prompt, prompt_source = usable.prompt, "server"
    if prompt is None and own is not None:
        prompt, prompt_source = own.prompt, own.source
    shown = _shown(completion, seen, usable, estimate)
    if completion is not None and shown != completion:
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
        usable.cached,
        usable.reasoning,
    )


def plausible(seen: Seen, counted: Counted, own: OwnCount | None) -> Counted:
    """The server's counts that can be true; None in place of the others."""
    completion, cached, reasoning = counted.completion, counted.cached, counted.reasoning
    prompt = None if counted.prompt is None or _is_no_prompt(counted.prompt, own) else counted.prompt
    if reasoning is not None and completion is not None and reasoning > completion:
        reasoning = None
    if completion is not None and (_too_few(completion, seen) or _too_many(completion, reasoning, seen)):
        completion = reasoning = None
    if cached is not None and cached > _most_cached(prompt, own):
        cached = None
    if (prompt, completion, cached, reasoning) == counted.numbers():
        return counted
    return counted._replace(prompt=prompt, completion=completion, cached=cached, reasoning=reasoning)


def is_buffered(seen: Seen, tokens: int | None) -> bool:
    """Whether the events of a stream came faster one after the other than anything generates them.

    Content of one read has one time; a flush of many reads is told by their distance beside the wait before them. A
    busy machine may stop in the midst of it: then most events are as close, and all are still fast.
    """
    most = max(tokens or 0, seen.events)
    if most < 2:
        return False
    if seen.span < _LEAST_S_PER_TOKEN * (most - 1):  # in one read, or nearly
        return True
    per_event = seen.span / max(seen.events - 1, 1)
    if per_event < _LEAST_S_PER_EVENT and len(seen.times) > 2 and len(set(seen.times)) == _TWO_READS:
        return True  # cut once in the midst, by the network or a busy client
    if per_event < _LEAST_S_PER_EVENT and seen.span < _LEAST_SHARE_OF_WAIT * seen.wait:
        return True
    may_have_stalled = per_event < _LEAST_S_PER_EVENT_STALLED and seen.span < _LEAST_SHARE_OF_WAIT_STALLED * seen.wait
    return may_have_stalled and len(seen.times) > 2 and _usual_gap(seen.times) < _LEAST_S_PER_EVENT


def _usual_gap(times: Sequence[float]) -> float:
    return median(after - before for before, after in pairwise(times))


def _missing(counted: Counted) -> list[str]:
    """Nothing is said where the server counts neither side: `token_source` says it."""
    one_side = (counted.prompt is None) != (counted.completion is None)
    return ["count_missing"] if one_side or counted.unknown_zeros else []


def _needs_own(seen: Seen, usable: Counted) -> bool:
    return usable.completion is None or _hidden(usable.completion, seen, usable) != 0


def _most_cached(prompt: int | None, own: OwnCount | None) -> float:
    """How many tokens of a prompt can have been cached: all that the server counts, or by far more than we do."""
    if prompt is not None:
        return prompt
    if own is None or own.prompt is None:
        return float("inf")
    return _MOST_TIMES_OWN_PROMPT * own.prompt + _SPARE_PROMPT_TOKENS


def _is_no_prompt(count: int, own: OwnCount | None) -> bool:
    """Whether no prompt has so many tokens, or ours has by far more: such a count is of something else."""
    known = None if own is None else own.prompt
    if known is None:
        return count > _LONGEST_PROMPT
    few = count <= _FEW_TOKENS and known > _MOST_TIMES_SERVERS_PROMPT * count + _SPARE_PROMPT_TOKENS
    return few or count > _MOST_TIMES_OWN_PROMPT * known + _MOST_ADDED_TO_PROMPT


def _too_few(count: int, seen: Seen) -> bool:
    """Whether so many tokens cannot hold the text that came: each has a few characters, and an event one at least."""
    if seen.media or not seen.size:
        return False
    most = _MOST_CHARACTERS_PER_TOKEN * count + _SPARE_CHARACTERS
    by_text = seen.size > most and sum(map(len, seen.text.split())) > most  # white space needs few tokens
    spare = min(_SPARE_EVENTS, _MOST_EVENTS_PER_TOKEN * (count - 1)) if count else _SPARE_EVENTS
    return by_text or seen.events > _MOST_EVENTS_PER_TOKEN * count * seen.choices + spare


def _too_many(count: int, reasoning: int | None, seen: Seen) -> bool:
    """Whether the time is too short for so many tokens of which nothing came.

    Those that the server calls reasoning are believed as long as anything could generate them. The others must have
    been generated about as fast as what came.
    """
    unseen = count - seen.size
    if seen.media or not seen.size or unseen <= _SPARE_TOKENS:
        return False
    least = _LEAST_S_PER_TOKEN
    if unseen - (reasoning or 0) > _SPARE_TOKENS:
        came = max(seen.events, seen.size / _CHARACTERS_PER_TOKEN)
        pace = seen.span / (came - 1) if came > 1 else 0.0
        least = max(_LEAST_S_PER_UNCOUNTED_TOKEN, pace / _MOST_TIMES_FASTER)
    return unseen * least > seen.wait + seen.span


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


def _shown(completion: int | None, seen: Seen, usable: Counted, estimate: int | None) -> int | None:
    if completion is None or completion != usable.completion:
        return completion
    hidden = _hidden(completion, seen, usable)
    return estimate if hidden is None else completion - hidden
