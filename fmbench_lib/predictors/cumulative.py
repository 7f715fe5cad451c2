"""Text that repeats what came before: streams whose every message has the whole answer so far, or whose last has it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from fmbench_lib.predictors.base import Event

_CUT = "\ufffd"
"""What stands at the end of a text whose last character has not come to its end."""
_LEAST_MESSAGES = 3
_LEAST_CHARACTERS = 16
"""Two messages, or a last one, must repeat so much text: a word may be followed by a longer one that begins alike."""


def without_repetition(events: Sequence[Event]) -> tuple[Sequence[Event], bool]:
    """The events of a stream with new text only, and whether there was repeated text; a whole answer has none.

    An event without any new text is left out. Reasoning and answer are looked at each by itself.
    """
    if len(events) < 2 or not _may_repeat(events):
        return events, False
    changed = False
    kept: list[Event] = []
    for reasoning in (True, False):
        side = [event for event in events if event.reasoning is reasoning]
        shorter = _new_text_of(side)
        changed = changed or shorter is not side
        kept += shorter
    return (sorted(kept, key=lambda event: event.end_offset), True) if changed else (events, False)


def _may_repeat(events: Sequence[Event]) -> bool:
    """A look at few events, which most streams end with: the last begins like the first, and is longer."""
    first, last = events[0], events[-1]
    if first.reasoning is not last.reasoning:
        return True
    return len(last.text) > len(first.text) and last.text.startswith(first.text.rstrip(_CUT))


def _new_text_of(side: list[Event]) -> list[Event]:
    texts = [event.text for event in side]
    if len(side) < 2 or not texts[0]:
        return side
    whole_again = len(texts) > _LEAST_MESSAGES and texts[-2].startswith(texts[-1])
    if whole_again and _grows(texts[:-1]):  # without what stopped it
        return _new_text_of(side[:-1])
    if _grows(texts):
        kept = [*(text.rstrip(_CUT) for text in texts[:-1]), texts[-1]]
        pieces = [kept[0], *(after[len(before) :] for before, after in pairwise(kept))]
        return [event._replace(text=piece) for event, piece in zip(side, pieces, strict=True) if piece]
    before = len(texts[-1])
    if before >= _LEAST_CHARACTERS and len(side) >= _LEAST_MESSAGES and "".join(texts[:-1]) == texts[-1]:
        return side[:-1]
    return side


def _grows(texts: Sequence[str]) -> bool:
    """Whether each text begins with the one before it, and most have more: pieces that are all equal do not."""
    if not texts[0].rstrip(_CUT) or (len(texts) < _LEAST_MESSAGES and len(texts[0]) < _LEAST_CHARACTERS):
        return False
    if not all(after.startswith(before.rstrip(_CUT)) for before, after in pairwise(texts)):
        return False
    longer = sum(len(after) > len(before) for before, after in pairwise(texts))
    return 2 * longer > len(texts) - 1
