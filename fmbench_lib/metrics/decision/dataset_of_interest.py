"""Which payload file the decision is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatasetChoice:
    """The payload file, and in words why it was chosen."""

    payload_file: str
    reason: str


def choose_dataset(payload_files: Sequence[str], wanted: str | None = None) -> DatasetChoice | None:
    """Choose among the payload files of the levels (one entry per level, in the order of the config).

    `wanted` is a payload file's name, the part between `payload_` and `.jsonl`, a piece of it, or a regular expression,
    tried in that order. Of several files that match, or if none was asked for, the one with most levels is chosen, the
    first of these. If nothing matches, the same holds among all files, and the reason says so. None without any level.
    """
    if not payload_files:
        return None
    if not wanted:
        chosen = _most_levels(payload_files)
        return DatasetChoice(
            chosen, "no dataset_of_interest was given: the payload file with most levels, the first of these"
        )
    for fits in (_named, _containing, _matching):
        matches = [name for name in payload_files if fits(name, wanted)]
        if matches:
            chosen, others = _most_levels(matches), len(set(matches)) - 1
            more = f", as do {others} more payload files: the one with most levels is taken" if others else ""
            return DatasetChoice(chosen, f"matches dataset_of_interest {wanted!r}{more}")
    chosen = _most_levels(payload_files)
    reason = f"no payload file matches dataset_of_interest {wanted!r}: the one with most levels is taken instead"
    return DatasetChoice(chosen, reason)


def _most_levels(names: Sequence[str]) -> str:
    return max(dict.fromkeys(names), key=list(names).count)


def _named(name: str, wanted: str) -> bool:
    return wanted in (name, name.removeprefix("payload_").removesuffix(".jsonl"))


def _containing(name: str, wanted: str) -> bool:
    return wanted in name


def _matching(name: str, wanted: str) -> bool:
    try:
        return re.search(wanted, name) is not None
    except (re.error, OverflowError, RecursionError):
        return False
