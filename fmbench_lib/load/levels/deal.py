"""Which prompts a level sends, and in which order.

An endpoint that has seen a prompt may answer it from its cache, and a sweep that sends the same prompts in the same
order at each level measures that cache. So every level draws its own order, the warm-up has its own prompts,
and the config decides whether a prompt may be sent twice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fmbench_lib.errors import InputError


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many prompts one level asks for; `requests` is None where only time ends it."""

    load: str
    warmup: int
    requests: int | None


@dataclass(frozen=True, slots=True)
class Deal:
    """The numbers of the prompts that a level sends: first the warm-up, then the measured ones, in order of sending.

    `asked` is the number of measured requests that the level should have, None where time decides.
    """

    warmup: tuple[int, ...]
    measured: tuple[int, ...]
    asked: int | None


def deal(payload_file: str, prompts: int, levels: Sequence[Wanted], reuse: str, seed: str) -> dict[str, Deal]:
    """Deal the prompts of one payload file, `prompts` in number, to the levels that send them to one endpoint.

    `reuse` is `never` (no prompt twice), `across_levels` (no prompt twice within a level) or `allowed` (a level goes
    round as often as it needs to). Raises InputError when there are too few prompts, with the number that is missing.
    """
    if reuse == "never":
        return _deal_once(payload_file, prompts, levels, seed)
    return {level.load: _deal_level(payload_file, prompts, level, reuse, f"{seed}/{level.load}") for level in levels}


def _deal_once(payload_file: str, prompts: int, levels: Sequence[Wanted], seed: str) -> dict[str, Deal]:
    order = _order(prompts, seed)
    fixed = sum(level.warmup + (level.requests or 0) for level in levels)
    open_ended = sum(level.requests is None for level in levels)
    needed = fixed + open_ended
    if needed > prompts:
        counts = _counts_text(levels)
        raise InputError(
            f"{payload_file}: load.prompt_reuse `never` needs {needed} prompts ({counts}) and there are {prompts}: "
            f"{needed - prompts} are missing; lower load.requests, load.warmup_requests or the concurrency, "
            f"widen the filter, or write prompt_reuse: across_levels"
        )
    share = (prompts - fixed) // open_ended if open_ended else 0
    deals, start = {}, 0
    for level in levels:
        count = share if level.requests is None else level.requests
        stop = start + level.warmup + count
        dealt = order[start:stop]
        random.Random(f"{seed}/{level.load}").shuffle(dealt)  # the same prompts elsewhere, in another order
        deals[level.load] = Deal(tuple(dealt[: level.warmup]), tuple(dealt[level.warmup :]), level.requests)
        start = stop
    return deals


def _counts_text(levels: Sequence[Wanted]) -> str:
    """What the levels ask for, equal ones together: `20 + 8 warm-up + 12 × (50 + 8 warm-up)`."""
    asked = Counter(f"{level.requests or 1} + {level.warmup} warm-up" for level in levels)
    return " + ".join(f"{count} × ({each})" if count > 1 else each for each, count in asked.items())


def _deal_level(payload_file: str, prompts: int, level: Wanted, reuse: str, seed: str) -> Deal:
    order = _order(prompts, seed)
    if reuse == "across_levels" and level.requests is not None:
        needed = level.requests + level.warmup
        if needed > prompts:
            raise InputError(
                f"{payload_file}: load.prompt_reuse `across_levels` needs {needed} prompts for {level.load} "
                f"({level.requests} + {level.warmup} warm-up) and there are {prompts}: {needed - prompts} are missing; "
                f"lower load.requests, load.warmup_requests or the concurrency, widen the filter, "
                f"or write prompt_reuse: allowed"
            )
        return Deal(tuple(order[: level.warmup]), tuple(order[level.warmup : needed]), level.requests)
    warmup = min(level.warmup, prompts // 2)  # a small set keeps most of itself for measuring
    return Deal(tuple(order[:warmup]), tuple(order[warmup:]), level.requests)


def _order(prompts: int, seed: str) -> list[int]:
    order = list(range(prompts))
    random.Random(seed).shuffle(order)
    return order
