"""Text that later code can rely on: no control characters, nothing UTF-8 cannot encode, no path that is too long."""

from __future__ import annotations

import re

MOST_NAME = 100
"""Most characters of a name once it is encoded as a part of a path: files have endings, and some a process id."""

_MOST_PART_BYTES = 255  # of a file name, on every usual file system
_MOST_PATH_BYTES = 4000
_LAYOUT = re.compile(r"[\t\n\r]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSEEN = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""What has no width or turns the direction of text; joiners, which letters and emoji need, are none of these."""


def fault_of_text(text: str) -> str | None:
    """What later code could not write or show of a text, tabs and line breaks excepted; None if nothing."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"holds half a character (a surrogate, U+{ord(text[error.start]):04X}); write whole characters"
    return _fault_of_controls(_LAYOUT.sub("", text))


def fault_of_line(text: str) -> str | None:
    """The same for text that must be one line."""
    return _fault_of_controls(text) or fault_of_text(text)


def fault_of_name(text: str) -> str | None:
    """What would make a name look like another one; None if nothing."""
    unseen = _UNSEEN.search(text)
    if unseen is None:
        return None
    return f"holds U+{ord(unseen[0]):04X}, which nobody sees, so that it may look like another name; leave it out"


def fault_of_path(text: str) -> str | None:
    """What no file of that name can have; None if nothing."""
    fault = fault_of_line(text)
    if fault is None and len(text.encode()) > _MOST_PATH_BYTES:
        return f"has {len(text):,} characters; write a path of at most {_MOST_PATH_BYTES:,}"
    if fault is None and any(len(part.encode()) > _MOST_PART_BYTES for part in text.split("/")):
        return f"has a part of more than {_MOST_PART_BYTES} bytes, which no file name can have; write a shorter one"
    return fault


def _fault_of_controls(text: str) -> str | None:
    control = _CONTROL.search(text)
    return f"holds the control character U+{ord(control[0]):04X}; leave it out" if control else None
