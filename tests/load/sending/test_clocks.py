"""The wall clock's stamps on the monotonic clock, through slews and steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.load.sending.clocks import STEP_NS, ClockPair, sample

BASE = 1_800_000_000 * 10**9


def pair(*offsets: int) -> ClockPair:
    """Samples a second apart from monotonic 0 on, with these offsets over `BASE`."""
    return ClockPair.from_samples([(i * 10**9, i * 10**9 + BASE + offset) for i, offset in enumerate(offsets)])


def offset_at(clock: ClockPair, at: int) -> int | None:
    """The offset at one time."""
    offsets = clock.offsets_at([at])
    return None if offsets is None else offsets[0]


def test_a_constant_offset_is_the_same_everywhere() -> None:
    clock = pair(0, 0, 0)
    assert {offset_at(clock, at) for at in (-(10**9), 0, 5, 10**9, 1_500_000_000, 9 * 10**9)} == {BASE}


def test_a_slew_is_interpolated() -> None:
    clock = pair(0, 400_000)
    assert offset_at(clock, 0) == BASE
    assert offset_at(clock, 250_000_000) == BASE + 100_000
    assert offset_at(clock, 10**9) == BASE + 400_000


def test_between_two_samples_with_a_step_nothing_is_known() -> None:
    clock = pair(0, STEP_NS + 1, STEP_NS + 1)
    assert offset_at(clock, 500_000_000) is None
    assert offset_at(clock, 1_500_000_000) == BASE + STEP_NS + 1


@given(
    st.lists(st.sampled_from([0, 300, STEP_NS // 2, 3 * STEP_NS]), min_size=1, max_size=5),
    st.lists(st.integers(-(10**9), 6 * 10**9), max_size=12).map(sorted),
)
def test_several_times_at_once_are_each_as_alone(offsets: list[int], times: list[int]) -> None:
    clock = pair(*offsets)
    alone = [offset_at(clock, at) for at in times]
    assert clock.offsets_at(times) == (None if None in alone else alone)


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


@given(st.lists(st.integers(min_value=-STEP_NS // 2, max_value=STEP_NS // 2), min_size=1), st.integers(-5, 50))
def test_an_interpolated_offset_lies_between_its_neighbours(offsets: list[int], tenth: int) -> None:
    at = tenth * 10**8
    found = offset_at(pair(*offsets), at)
    before = min(max(at // 10**9, 0), len(offsets) - 1)
    after = min(before + 1, len(offsets) - 1)
    neighbours = (BASE + offsets[before], BASE + offsets[after])
    assert found is not None
    assert min(neighbours) <= found <= max(neighbours)


def test_a_sample_is_of_both_clocks_at_one_moment() -> None:
    (mono1, wall1), (mono2, wall2) = sample(), sample()
    assert mono2 > mono1
    assert abs((wall1 - mono1) - (wall2 - mono2)) < 10**9
