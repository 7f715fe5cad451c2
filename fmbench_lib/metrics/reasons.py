"""Reasons of several levels told once: alike but for their numbers, of which the range is given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

REASON_SEPARATOR = "; "

_NUMBER = re.compile(r"(?<![\w.:/-])(-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?)( ms\b| s\b|%)?(?![\w:/]|[.,]\d)")
_PER_UNIT = {" ms": 1e-3}
_PLACE = "\0"


class _Figure(NamedTuple):
    """A number in a reason: its size, in seconds where it is a time, and how it was written."""

    size: float
    written: str


def reasons_of(text: str | None) -> list[str]:
    """The reasons in a cell of `verdict_reasons`."""
    return [reason for reason in (text or "").split(REASON_SEPARATOR) if reason]


def without_numbers(reason: str) -> str:
    """What reasons have in common that differ only in their numbers."""
    return _NUMBER.sub(_PLACE, reason)


def told_once(reasons: Sequence[str]) -> str:
    """Reasons that are alike but for their numbers (at least one) as one: `7 to 14 ms late`."""
    parts = without_numbers(reasons[0]).split(_PLACE)
    figures = [[_figure(found) for found in _NUMBER.finditer(reason)] for reason in reasons]
    ranges = [_range(each) for each in zip(*figures, strict=True)]
    return "".join(part + shown for part, shown in zip(parts, [*ranges, ""], strict=True))


def _figure(found: re.Match[str]) -> _Figure:
    return _Figure(float(found[1].replace(",", "")) * _PER_UNIT.get(found[2] or "", 1.0), found[0])


def _range(figures: Iterable[_Figure]) -> str:
    """From the least to the greatest, with the unit said once if it is the same."""
    known = sorted(figures)
    least, most = known[0], known[-1]
    if least.size == most.size:
        return most.written
    low, unit = _split(least.written)
    return f"{low if unit == _split(most.written)[1] else least.written} to {most.written}"


def _split(written: str) -> tuple[str, str]:
    bare = re.sub(r" ms$| s$|%$", "", written)
    return bare, written[len(bare) :]
