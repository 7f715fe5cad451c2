"""What answers are made of, whatever protocol they come in."""

from __future__ import annotations

from fmbench_lib.emulator.behaviour import Plan

_TEXT = (
    "the of and to in is that for it as was with be by on not he his but at are this have from or had an they "
    "which one you were her all she there would their we him been has when who will more no if out so said what "
    "up its about into than them can only other naïve 東京 größe 🙂"
)
WORDS: tuple[str, ...] = tuple(f" {word}" for word in _TEXT.split())
"""What answers are made of: each is one token by the emulator's count, a few are outside ASCII, as in real ones."""


def words_from(first: int, count: int) -> str:
    """So many words, from this one on and round again."""
    return "".join(WORDS[(first + place) % len(WORDS)] for place in range(count))


def special_texts(plan: Plan, salt: int) -> dict[int, str]:
    """Texts of the events that are no run of `tokens_per_event` words: the echo, and the last of each kind."""
    texts: dict[int, str] = {}
    size = plan.tokens_per_event
    for end, tokens in (
        (plan.reasoning_events, plan.reasoning_tokens),
        (plan.events, plan.tokens - plan.reasoning_tokens),
    ):
        if tokens % size:
            texts[end - 1] = words_from((salt + end - 1) % len(WORDS), tokens % size)
    if plan.echo is not None and plan.events > plan.reasoning_events:
        texts[plan.reasoning_events] = plan.echo
    return texts


class Content:
    """The text of one answer, event by event over reasoning and answer."""

    __slots__ = ("_plan", "_salt", "_special")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._salt = plan.salt % len(WORDS)
        self._special = special_texts(plan, self._salt)

    def text(self, index: int) -> str:
        """What one event says."""
        if index in self._special:
            return self._special[index]
        return words_from((self._salt + index) % len(WORDS), self._plan.tokens_per_event)

    def tokens(self, index: int) -> int:
        """How many tokens one event has."""
        plan = self._plan
        place, tokens = index, plan.reasoning_tokens
        if index >= plan.reasoning_events:
            place, tokens = index - plan.reasoning_events, plan.tokens - plan.reasoning_tokens
        return min(plan.tokens_per_event, tokens - place * plan.tokens_per_event)

    def whole(self) -> tuple[str, str]:
        """All of the reasoning, and all of the answer."""
        texts = [self.text(index) for index in range(self._plan.events)]
        first = self._plan.reasoning_events
        return "".join(texts[:first]), "".join(texts[first:])
