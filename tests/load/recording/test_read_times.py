"""The kernel's stamps on the monotonic clock, through slews and steps of the wall clock, and Unix times from them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.load.recording.read_times import _unix_times, offsets_at
from fmbench_lib.load.sending.clocks import STEP_NS, ClockPair

BASE = 1_800_000_000 * 10**9


def pair(*offsets: int) -> ClockPair:
    """Samples a second apart from monotonic 0 on, with these offsets over `BASE`."""
    return ClockPair.from_samples([(i * 10**9, i * 10**9 + BASE + offset) for i, offset in enumerate(offsets)])


def at_once(clock: ClockPair, times: list[int]) -> list[int] | None:
    offsets = offsets_at(clock, np.array(times, np.int64))
    return None if offsets is None else offsets.tolist()


def offset_at(clock: ClockPair, at: int) -> int | None:
    """The offset at one time."""
    offsets = at_once(clock, [at])
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
    assert at_once(clock, times) == (None if None in alone else alone)


@given(st.lists(st.integers(min_value=-STEP_NS // 2, max_value=STEP_NS // 2), min_size=1), st.integers(-5, 50))
def test_an_interpolated_offset_lies_between_its_neighbours(offsets: list[int], tenth: int) -> None:
    at = tenth * 10**8
    found = offset_at(pair(*offsets), at)
    before = min(max(at // 10**9, 0), len(offsets) - 1)
    after = min(before + 1, len(offsets) - 1)
    neighbours = (BASE + offsets[before], BASE + offsets[after])
    assert found is not None
    assert min(neighbours) <= found <= max(neighbours)


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=20), st.integers(1_600_000_000, 2_000_000_000))
def test_unix_times_are_those_of_the_clock_pair(monotonic: list[int], unix_s: int) -> None:
    clock = ClockPair.from_samples([(0, unix_s * 10**9 + 123_456_789)])
    expected = [clock.to_unix(at) for at in monotonic]
    assert _unix_times(np.array(monotonic, np.int64), clock).tolist() == expected
