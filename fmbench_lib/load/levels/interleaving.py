"""The order in which repeats are measured: a machine that becomes slower must not fall on one experiment alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

from fmbench_lib.load.levels.specs import LevelSpec


def interleaved(levels: Sequence[LevelSpec], seed: int) -> list[LevelSpec]:
    """The levels of experiments that are measured in turn, in an order that follows from the seed alone.

    Every level is measured once before any is measured again (randomised complete blocks). Within such a round the
    payload files and loads come in random order, and at each of them the experiments, in random order, one directly
    after the other: they are compared at that load.
    """
    order: list[LevelSpec] = []
    for repeat in sorted({level.repeat for level in levels}):
        together: dict[tuple[str, str], list[LevelSpec]] = {}
        for level in levels:
            if level.repeat == repeat:
                together.setdefault((level.payload_file, level.load), []).append(level)
        generator = random.Random(f"{seed}/order/{repeat}")
        rounds = [together[key] for key in sorted(together)]
        generator.shuffle(rounds)
        for compared in rounds:
            compared.sort(key=lambda level: level.key)
            generator.shuffle(compared)
            order += compared
    return order
