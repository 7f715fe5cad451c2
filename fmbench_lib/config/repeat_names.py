"""How the repeats of a level are named: the second measurement at `concurrency-4` is `concurrency-4-repeat-2`."""

from __future__ import annotations

_MARK = "-repeat-"


def repeat_name(load: str, repeat: int) -> str:
    """The name of a repeat, counted from 1, of a load; the first has the load's own."""
    return f"{load}{_MARK}{repeat}" if repeat > 1 else load


def split_repeat(name: str) -> tuple[str, int]:
    """The load and the number of the repeat that a name says: `("concurrency-4", 2)`."""
    load, mark, number = name.rpartition(_MARK)
    return (load, int(number)) if mark and number.isdecimal() else (name, 1)
