"""The text of answers, in every protocol."""

from __future__ import annotations

from fmbench_lib.emulator.behaviour import Plan

_TEXT = (
    "the of and to in is that for it as was with be by on not he his but at are this have from or had an they "
    "which one you were her all she there would their we him been has when who will more no if out so said what "
    "up its about into than them can only other naïve 東京 größe 🙂"
)
WORDS: tuple[str, ...] = tuple(f" {word}" for word in _TEXT.split())
"""The vocabulary of answers. Each word counts as one token; a few are outside ASCII, as in real answers."""


def words_from(first: int, count: int) -> str:
    """This many words, starting at index `first` and wrapping around."""
    return "".join(WORDS[(first + offset) % len(WORDS)] for offset in range(count))


def special_texts(plan: Plan, salt: int) -> dict[int, str]:
    """The texts of events that are not runs of `tokens_per_event` words: the echo, and the last event of each kind."""
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
    """The text of one answer, by event, over reasoning and answer."""

    __slots__ = ("_plan", "_salt", "_special")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._salt = plan.salt % len(WORDS)
        self._special = special_texts(plan, self._salt)

    def text(self, index: int) -> str:
        """The text of one event."""
        if index in self._special:
            return self._special[index]
        return words_from((self._salt + index) % len(WORDS), self._plan.tokens_per_event)

    def tokens(self, index: int) -> int:
        """The number of tokens in one event."""
        plan = self._plan
        position, tokens = index, plan.reasoning_tokens
        if index >= plan.reasoning_events:
            position, tokens = index - plan.reasoning_events, plan.tokens - plan.reasoning_tokens
        return min(plan.tokens_per_event, tokens - position * plan.tokens_per_event)

    def whole(self) -> tuple[str, str]:
        """The complete reasoning and the complete answer."""
        texts = [self.text(index) for index in range(self._plan.events)]
        first = self._plan.reasoning_events
        return "".join(texts[:first]), "".join(texts[first:])
