"""Which prompts a level sends, and in which order.

An endpoint that has seen a prompt may answer it from its cache, and a sweep that sends the same prompts in the same
order at each level measures that cache. So every level draws its own order, the warm-up has its own prompts,
and the config decides whether a prompt may be sent twice.

Experiments are compared at the same load on the same prompts in the same order; a repeat of a level is a load of its
own here, with other prompts. Only where experiments share a server and no prompt may be sent twice do they differ.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fmbench_lib.errors import InputError


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many prompts one level asks for; `requests` is None where only time ends it.

    `load` is the level's load by name, the same for all experiments. `server` tells apart the servers that experiments
    send to: a server has one cache, however many experiments use it.
    """

    load: str
    warmup: int
    requests: int | None
    server: int = 0


@dataclass(frozen=True, slots=True)
class Deal:
    """The numbers of the prompts that a level sends: first the warm-up, then the measured ones, in order of sending.

    `asked` is the number of measured requests that the level should have, None where time decides.
    """

    warmup: tuple[int, ...]
    measured: tuple[int, ...]
    asked: int | None


def deal(payload_file: str, prompts: int, levels: Sequence[Wanted], reuse: str, seed: str) -> list[Deal]:
    """Deal the prompts of one payload file, `prompts` in number, to its levels, which may be those of many experiments.

    `reuse` is `never` (no prompt twice to one server), `across_levels` (no prompt twice within a level) or `allowed` (a
    level goes round as often as it needs to). Raises InputError when there are too few prompts, with the number that is
    missing.
    """
    if reuse == "never":
        return _deal_once(payload_file, prompts, levels, seed)
    return [_deal_level(payload_file, prompts, level, reuse, f"{seed}/{level.load}") for level in levels]


def prompts_needed(levels: Sequence[Wanted], reuse: str) -> int:
    """The least number of prompts that `deal` can do with, where only time ends a level one beside its warm-up."""
    if reuse == "never":
        return _reach(_hands(levels, 1))
    fixed = [level.warmup + level.requests for level in levels if level.requests is not None]
    return max(fixed, default=1) if reuse == "across_levels" else 1


def _deal_once(payload_file: str, prompts: int, levels: Sequence[Wanted], seed: str) -> list[Deal]:
    needed = prompts_needed(levels, "never")
    if needed > prompts:
        raise InputError(
            f"{payload_file}: load.prompt_reuse `never` needs {needed} prompts ({_counts_text(levels, needed)}) and "
            f"there are {prompts}: {needed - prompts} are missing; lower load.requests, load.warmup_requests, "
            f"load.repeats or the concurrency, widen the filter, or write prompt_reuse: across_levels"
        )
    order, hands = np.array(_order(prompts, seed)), _hands(levels, _share(prompts, levels))
    deals = []
    for level, hand in zip(levels, hands, strict=True):
        dealt = [int(number) for number in order[hand]]
        end = None if level.requests is None else level.warmup + level.requests
        deals.append(Deal(tuple(dealt[: level.warmup]), tuple(dealt[level.warmup : end]), level.requests))
    return deals


def _hands(levels: Sequence[Wanted], share: int) -> list[np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """The places in the shuffled order that each level takes, `share` of them where only time ends it.

    Levels of one load at different servers take the same places, the first that none of these servers was given before;
    where a server has a load several times, each time is a hand of its own.
    """
    sizes = [level.warmup + (share if level.requests is None else level.requests) for level in levels]
    times: Counter[tuple[int, str]] = Counter()
    members: dict[tuple[str, int], list[int]] = {}
    for index, level in enumerate(levels):
        members.setdefault((level.load, times[level.server, level.load]), []).append(index)
        times[level.server, level.load] += 1
    used = {level.server: np.zeros(sum(sizes), dtype=bool) for level in levels}
    hands = [np.empty(0, dtype=np.intp)] * len(levels)
    for indices in members.values():
        servers = {levels[index].server for index in indices}
        free = np.flatnonzero(~np.any([used[server] for server in servers], axis=0))
        places = free[: max(sizes[index] for index in indices)]
        for server in servers:
            used[server][places] = True
        for index in indices:
            hands[index] = places
    return hands


def _reach(hands: Sequence[np.ndarray[tuple[int], np.dtype[np.intp]]]) -> int:
    """How many prompts the hands need."""
    return max((int(hand[-1]) + 1 for hand in hands if hand.size), default=0)


def _share(prompts: int, levels: Sequence[Wanted]) -> int:
    """How many prompts each level gets that only time ends: an equal part of what the others at its server leave."""
    share = prompts
    for at in _by_server(levels):
        fixed = sum(level.warmup + (level.requests or 0) for level in at)
        open_ended = sum(level.requests is None for level in at)
        share = min(share, (prompts - fixed) // open_ended) if open_ended else share
    if any(level.requests is None for level in levels):
        while share > 1 and _reach(_hands(levels, share)) > prompts:
            share -= max(1, share // 20)  # loads that some servers lack leave gaps between those that they have
    return max(share, 1)


def _by_server(levels: Sequence[Wanted]) -> list[list[Wanted]]:
    servers: dict[int, list[Wanted]] = {}
    for level in levels:
        servers.setdefault(level.server, []).append(level)
    return list(servers.values())


def _counts_text(levels: Sequence[Wanted], needed: int) -> str:
    """What the levels of the server with most ask for, equal ones together: `20 + 8 warm-up + 12 × (50 + 8 warm-up)`.

    Where loads that only some servers have need more than any one of them, it says so instead.
    """
    totals = [(sum((level.requests or 1) + level.warmup for level in at), at) for at in _by_server(levels)]
    most, at = max(totals, key=lambda one: one[0])
    if most < needed:
        return "for the same prompts at the same load of every experiment"
    asked = Counter(f"{level.requests or 1} + {level.warmup} warm-up" for level in at)
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
