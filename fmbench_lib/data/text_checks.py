"""Whether the texts of a row can be written and sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def half_character(row: Mapping[str, Any]) -> str | None:
    """Which column holds half a character: a surrogate, as `\\ud83d` alone in JSON; None if none does."""
    for name, value in row.items():
        try:
            (value if isinstance(value, str) else repr(value)).encode()
        except UnicodeEncodeError as error:
            return f"column {name} holds half a character (position {error.start})"
    return None
