"""Messages of a stream that differ from an earlier one by their piece of content alone need not be parsed again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from fmbench_lib.predictors.answer import Answer
from fmbench_lib.predictors.base import Event

_CONTENT = re.compile(rb'"(?:content|text)": ?"([^"\\\x00-\x1f]+)"')
_NOT_PLAIN = re.compile(rb'["\\\x00-\x1f]')
_PROBE = "another piece of content"
_MOST_IN_VAIN = 4


class Repeats:
    """Knows again the messages that say nothing but the next piece of content, as most of a stream's do.

    Such a message is, byte for byte, one that was parsed before with another string where that has its content. That
    nothing else of it depends on the string, and that it says nothing else, is found out once, by `take` (which adds a
    message to an answer) with a probe in its place. A stream whose messages all differ is soon left alone.
    """

    __slots__ = ("_in_vain", "_prefix", "_suffix", "_take")

    def __init__(self, take: Callable[[Any, int, Answer], None]) -> None:
        self._take = take
        self._prefix = self._suffix = b""
        self._in_vain = 0

    def piece(self, data: bytes) -> str:
        """The piece of content that is all a message says; "" where it has to be parsed to know."""
        if not self._prefix or not data.startswith(self._prefix) or not data.endswith(self._suffix):
            return ""
        piece = data[len(self._prefix) : -len(self._suffix)]
        if _NOT_PLAIN.search(piece):
            return ""
        try:
            words = piece.decode()
        except UnicodeDecodeError:
            return ""
        self._in_vain = 0
        return words

    def learn(self, data: bytes, answer: Answer) -> None:
        """Take a message that was parsed and added to `answer` for an example of those that are to come."""
        if self._in_vain == _MOST_IN_VAIN:
            return
        found = _CONTENT.search(data)
        if found is None:
            return
        self._in_vain += 1
        prefix, suffix = data[: found.start(1)], data[found.end(1) :]
        probed = Answer(answer.streamed)
        self._take(json.loads(prefix + _PROBE.encode() + suffix), 0, probed)
        said = Answer(answer.streamed, [Event(0, _PROBE)], response_id=answer.response_id)
        if probed == said:
            self._prefix, self._suffix = prefix, suffix
