"""Unix times from the monotonic clock, through steps of the wall clock."""

from __future__ import annotations

from fmbench_lib.load.sending.clocks import ClockPair, sample

BASE = 1_800_000_000 * 10**9


def pair(*offsets: int) -> ClockPair:
    """Samples a second apart from monotonic 0 on, with these offsets over `BASE`."""
    return ClockPair.from_samples([(i * 10**9, i * 10**9 + BASE + offset) for i, offset in enumerate(offsets)])


def test_the_largest_step_counts_in_both_directions() -> None:
    assert pair(0, 5_000, -90_000, 0).largest_step_ns == 95_000
    assert pair(7).largest_step_ns == 0


def test_samples_may_come_in_any_order() -> None:
    assert ClockPair.from_samples([(20, 120), (10, 110)]) == ClockPair.from_samples([(10, 110), (20, 120)])


def test_unix_times_keep_the_monotonic_clocks_differences_through_a_step() -> None:
    clock = pair(0, 3_600 * 10**9)
    assert clock.to_unix(2 * 10**9) - clock.to_unix(10**9) == 1.0
    assert clock.to_unix(0) == BASE / 1e9


def test_workers_with_clocks_of_their_own_tell_the_same_time() -> None:
    mine = ClockPair.from_samples([(0, BASE)], BASE + 17)
    yours = ClockPair.from_samples([(5, BASE + 999)], BASE + 17)
    assert mine.to_unix(123) == yours.to_unix(123) == (BASE + 17 + 123) / 1e9


def test_a_sample_is_of_both_clocks_at_one_moment() -> None:
    (mono1, wall1), (mono2, wall2) = sample(), sample()
    assert mono2 > mono1
    assert abs((wall1 - mono1) - (wall2 - mono2)) < 10**9
