"""Reads messages of an event stream that differ only in their content from an earlier one, without parsing them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, repeat, takewhile
from typing import Any

from fmbench_lib.predictors.answer import MOST_EVENTS, Answer
from fmbench_lib.predictors.base import Event

_CONTENT = re.compile(rb'"(?:content|text)": ?"([^"\\\x00-\x1f]+)"')
_NOT_PLAIN = re.compile(rb'["\\\x00-\x1f]')
_FIELD = re.compile(rb"(?:\r?\n)*data: ?")
_PROBE = "another piece of content"
_MOST_IN_VAIN = 4
_FIRST_WINDOW, _LAST_WINDOW = 1 << 14, 1 << 18
_EVENT = partial(tuple.__new__, Event)  # of (end_offset, text, reasoning): a third of the time that Event(...) takes


class Repeats:
    """Recognises the messages of a body that have nothing but the next piece of content, as most of a stream do.

    Such a message equals, byte for byte, one that was parsed before, with another string as its content. A probe,
    parsed once with `take` (which adds a message to an answer), shows that the message has nothing else and that
    nothing else in it depends on the string. The class soon gives up on a stream whose messages all differ.
    """

    __slots__ = ("_begin", "_body", "_ending", "_in_vain", "_take")

    def __init__(self, body: bytes, take: Callable[[Any, int, Answer], None]) -> None:
        self._body = body
        self._take = take
        self._begin = self._ending = b""
        self._in_vain = 0

    def following(self, data: bytes, end_offset: int, answer: Answer) -> list[Event]:
        """The events of the messages after `end_offset`, up to the first that is more than a piece of content.

        `data` is the message that ends there; it has been parsed and added to `answer`.
        """
        if not self._known_at(end_offset) and not self._learn(data, end_offset, answer):
            return []
        events = _run(self._body, end_offset + len(self._begin), self._ending, self._begin)
        if events:
            self._in_vain = 0
        else:
            self._begin = b""
        return events

    def _known_at(self, offset: int) -> bool:
        return bool(self._begin) and self._body.startswith(self._begin, offset)

    def _learn(self, data: bytes, end_offset: int, answer: Answer) -> bool:
        """Use a message as the pattern of those that follow; whether the next one begins like it."""
        if self._in_vain == _MOST_IN_VAIN:
            return False
        content, field = _CONTENT.search(data), _FIELD.match(self._body, end_offset)
        if content is None or field is None:
            return False
        self._in_vain += 1
        prefix, suffix = data[: content.start(1)], data[content.end(1) :]
        probed = Answer(answer.streamed)
        self._take(json.loads(prefix + _PROBE.encode() + suffix), 0, probed)
        if probed != Answer(answer.streamed, [Event(0, _PROBE)], response_id=answer.response_id):
            return False
        line_end = b"\r\n" if self._body.endswith(b"\r\n", 0, end_offset) else b"\n"
        self._begin, self._ending = field[0] + prefix, suffix + line_end
        return self._known_at(end_offset)


def _run(body: bytes, start: int, ending: bytes, begin: bytes) -> list[Event]:
    """The pieces of content from `start` on, each followed by `ending` and the next message's `begin`, up to the first
    that is not plain text. The search window grows, so that many short runs do not each scan the whole body."""
    events: list[Event] = []
    separator = ending + begin
    window = max(_FIRST_WINDOW, 4 * len(separator))
    while True:
        pieces = body[start : start + window].split(separator)[:-1]
        words = _plain(pieces)
        steps = map(len(separator).__add__, map(len, pieces[: len(words)]))
        starts = list(accumulate(steps, initial=start))
        ends = map((-len(begin)).__add__, starts[1:])
        events += map(_EVENT, zip(ends, words, repeat(False), strict=False))
        start = starts[-1]
        if not words or len(words) < len(pieces) or len(events) > MOST_EVENTS:
            break
        window = min(2 * window, _LAST_WINDOW)
    end = body.find(ending, start, start + window)  # the last of a run has something else after it
    if end > start and (last := _plain([body[start:end]])):
        events.append(Event(end + len(ending), last[0]))
    return events


def _plain(pieces: Sequence[bytes]) -> list[str]:
    """The pieces up to the first that is empty, has characters that JSON escapes, or is not UTF-8."""
    if all(pieces) and not _NOT_PLAIN.search(b"".join(pieces)):
        try:
            return list(map(bytes.decode, pieces))
        except UnicodeDecodeError:
            pass
    return list(takewhile(bool, map(_words, pieces)))


def _words(piece: bytes) -> str:
    if _NOT_PLAIN.search(piece):
        return ""
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return ""
