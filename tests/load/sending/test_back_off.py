"""Which copies are spared, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.load.sending.back_off import FAILURES_IN_A_ROW, FIRST_PAUSE_NS, LONGEST_PAUSE_NS, BackOff
from fmbench_lib.load.sending.pool import least_outstanding

MILLISECOND = 1_000_000
DEAD, WELL = 0, 1


def closed_loop(
    seconds: float, slots: int, fails: Callable[[int, int], bool], *, service_ms: int = 20
) -> tuple[list[int], list[int]]:
    """How many requests each of two copies got from so many slots, and how many of them failed.

    `fails(copy, now)` says whether a request that begins now fails, which takes 1 ms.
    """
    back_off, outstanding, counts, failures = BackOff(2), [0, 0], [0, 0], [0, 0]
    under_way: list[tuple[int, int, bool]] = []
    first, now = 0, 0
    while now < seconds * 1e9:
        while len(under_way) < slots:
            shown = back_off.weighed(outstanding, now) if back_off.active else outstanding
            copy = least_outstanding(shown, first)
            first, failed = copy + 1, fails(copy, now)
            outstanding[copy] += 1
            counts[copy] += 1
            failures[copy] += failed
            under_way.append((now + (1 if failed else service_ms) * MILLISECOND, copy, failed))
        under_way.sort()
        now, copy, failed = under_way.pop(0)
        outstanding[copy] -= 1
        back_off.ended(copy, failed=failed, now=now)
    return counts, failures


@pytest.mark.parametrize("slots", [1, 4, 64])
def test_a_dead_copy_gets_a_few_trials_and_the_other_one_the_load(slots: int) -> None:
    counts, _ = closed_loop(60, slots, lambda copy, now: copy == DEAD)
    assert counts[WELL] >= 0.99 * slots * 60_000 / 20
    # Half of the slots at once, then one at each doubling of the pause, then one each longest pause.
    assert FAILURES_IN_A_ROW < counts[DEAD] <= max(slots // 2, FAILURES_IN_A_ROW) + 7 + 60 / 5


def test_a_copy_that_comes_back_has_its_share_again() -> None:
    back = 10_000_000_000
    counts, failures = closed_loop(30, 8, lambda copy, now: copy == DEAD and now < back)
    assert failures[DEAD] < 20
    healthy = counts[DEAD] - failures[DEAD]
    assert healthy >= 0.45 * 8 * (30_000 - back / 1e6 - LONGEST_PAUSE_NS / 1e6) / 20


def test_where_all_copies_fail_the_load_is_sent_all_the_same() -> None:
    counts, failures = closed_loop(1, 4, lambda copy, now: True)
    assert counts == failures
    assert min(counts) >= 0.4 * sum(counts) > 1000


def test_the_pause_doubles_up_to_its_cap_and_a_success_ends_it() -> None:
    back_off, now, pauses = BackOff(2), 0, []
    for _ in range(FAILURES_IN_A_ROW - 1):
        back_off.ended(DEAD, failed=True, now=now)
    assert not back_off.active
    for _ in range(40):
        back_off.ended(DEAD, failed=True, now=now)
        back_off.ended(DEAD, failed=True, now=now)  # one that was sent at the same time tells nothing new
        begun = now
        while back_off.weighed([0, 0], now)[DEAD]:
            now += FIRST_PAUSE_NS // 10
        pauses.append(now - begun)
    assert pauses[:4] == [FIRST_PAUSE_NS, 2 * FIRST_PAUSE_NS, 4 * FIRST_PAUSE_NS, 8 * FIRST_PAUSE_NS]
    assert set(pauses[6:]) == {LONGEST_PAUSE_NS}
    assert back_off.weighed([1, 5], now)[DEAD] > 5  # one trial at a time
    back_off.ended(DEAD, failed=False, now=now)
    assert not back_off.active
