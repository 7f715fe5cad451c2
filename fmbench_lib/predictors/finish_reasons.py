"""What servers give as the reason why an answer ended: which reasons mean a failure, and which that there is none."""

from __future__ import annotations

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_OF_FAILURE = frozenset(
    (
        *("error", "errored", "abort", "aborted", "cancel", "cancelled", "canceled", "fail", "failed", "failure"),
        *("fatal", "exception", "crash", "crashed", "timeout", "interrupted", "preempted", "insufficient", "oom"),
        *("unavailable", "disconnect", "disconnected"),
    )
)
_NONE = frozenset(("null", "none", "undefined"))


def is_no_reason(reason: str) -> bool:
    """Whether a reason is absent, or a word for that: some servers send `"null"` until the last message."""
    return not reason or reason.lower() in _NONE


def means_failure(reason: str) -> bool:
    """Whether a word of the reason is one of failure: `abort`, `error_toxic`, `network_error`, `FinishReason.ERROR`,
    `insufficient_system_resource`. A limit of length, a filter or a guardrail ends an answer as it should."""
    return not _OF_FAILURE.isdisjoint(map(str.lower, _WORDS.findall(reason)))
