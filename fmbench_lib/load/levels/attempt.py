"""One attempt at a level: its number, its prompts, and what the endpoint had been sent before it.

An endpoint that has seen a prompt may answer it from its cache. So attempts are remembered with the prompts that they
sent, and where `prompt_reuse` is `never` the next one gets others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from fmbench_lib.load.levels.deal import Deal


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """Another run that sent prompts of a level to the same endpoint before: its name, when it began to (Unix s), and
    how many of the measured ones. `ttft_p50`: the median TTFT (s) of the same load when they were sent first, None
    where that was not measured."""

    name: str
    at: float
    prompts: int
    ttft_p50: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a level, counted from 1.

    `resent`: measured prompts that this run had sent to the endpoint before, None where that is allowed. `began` is
    called before the first request, with the numbers of the prompts in the order of sending, warm-up first, the
    position of the first measured request, and how many prompts are the warm-up's; `ended` when sending is over or
    broke down, with how many of the prompts were sent (None where that is not known).
    """

    number: int = 1
    resent: int | None = None
    earlier: EarlierRun | None = None
    began: Callable[[Sequence[int], int, int], None] = lambda prompts, first_measured, warmup: None
    ended: Callable[[int | None], None] = lambda sent: None


def deal_again(
    dealt: Deal, prompts: int, sent: Collection[int], reserved: Collection[int], seed: str
) -> tuple[Deal, int]:
    """Deal another attempt at a level from a payload file of so many prompts; also returns how many of the measured
    ones are in `sent`, as there were not enough others.

    `dealt` is what the first attempt got, `reserved` are the prompts of levels that are still to be measured. What the
    level did not send yet comes first, then what nobody needs. The warm-up, which is not measured, goes without first.
    """
    own = [number for number in (*dealt.measured, *dealt.warmup) if number not in sent]
    taken = {*own, *reserved}
    spare = [number for number in range(prompts) if number not in sent and number not in taken]
    random.Random(seed).shuffle(spare)
    fresh = [*own, *spare]
    wanted = len(dealt.measured) if dealt.asked is None else dealt.asked
    measured, warmup = fresh[:wanted], fresh[wanted : wanted + len(dealt.warmup)]
    again = [number for number in (*dealt.measured, *dealt.warmup) if number in sent]
    random.Random(f"{seed}/again").shuffle(again)
    resent = again[: wanted - len(measured)]
    warmup += again[len(resent) :][: len(dealt.warmup) - len(warmup)]
    warmup = warmup or list(dealt.warmup)  # every prompt is measured: those of the first warm-up serve again
    return Deal(tuple(warmup), (*measured, *resent), dealt.asked), len(resent)
