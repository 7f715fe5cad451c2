"""Regular expressions that a config may have: valid, and quick on any name."""

from __future__ import annotations

import re
import warnings

_UNBOUNDED = re.compile(r"[*+]|\{\d*,\d*\}")
_REPEATED_GROUP = re.compile(r"\)[*+?{]")
_BACK_REFERENCE = re.compile(r"\\[1-9]|\(\?P=|\(\?[<(]")
_MOST_UNBOUNDED = 3  # that many make at most a million steps on a name of a hundred characters


def fault_of_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern, and what to write instead; None if nothing is.

    Python searches with backtracking: where a group is repeated, or much of a pattern is, it may never end.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no payload file's name and no regular expression ({error}); write the name or a part of it"
    literal = re.sub(r"\\\\|\\[^1-9]|\[[^\]]*\]", "x", pattern)
    slow = len(_UNBOUNDED.findall(literal)) > _MOST_UNBOUNDED or _REPEATED_GROUP.search(literal)
    if slow or _BACK_REFERENCE.search(literal):
        return "may take for ever as a regular expression; write a payload file's name or a part of it"
    return None
