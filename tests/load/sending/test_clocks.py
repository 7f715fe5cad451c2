"""Unix times from the monotonic clock, through steps of the wall clock."""

from __future__ import annotations

import time

import pytest

from fmbench_lib.load.sending.clocks import ClockPair, asleep_ns, longest_gap_ns, sample
from fmbench_lib.load.sending.worker_report import WorkerReport

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


HOUR = 3_600 * 10**9


def test_a_suspension_is_no_step_of_the_clock_and_a_step_beside_it_is_one() -> None:
    asleep = pair(0, HOUR, HOUR, 0)
    assert asleep.largest_step_ns == HOUR
    assert asleep.largest_step_beside([(10**9, HOUR)]) == HOUR  # the clock was set back later
    assert pair(0, HOUR, HOUR).largest_step_beside([(10**9, HOUR)]) == 0
    assert pair(0, HOUR + 5, HOUR).largest_step_beside([(10**9, HOUR)]) == 5
    assert pair(0, 0, HOUR).largest_step_beside([(10**9, HOUR)]) == HOUR  # it was noticed between other samples


def test_the_longest_gap_leaves_out_the_wait_for_the_beginning() -> None:
    seconds = [0, 40, 40.5, 41, 61, 61.5]
    assert longest_gap_ns([(int(at * 1e9), 0) for at in seconds]) == 20 * 10**9
    assert longest_gap_ns([(0, 0)]) == 0


def test_a_worker_notices_that_the_machine_was_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the boot has gone on by 35 minutes, and once by a jitter of 10 ms."""
    real, ahead = time.clock_gettime_ns, [0]
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: real(clock) + ahead[0])
    report = WorkerReport(with_latencies=False)
    for jump in (0, 10**7, 35 * 60 * 10**9, 35 * 60 * 10**9):
        ahead[0] = jump
        report.progress(0)
    ((noticed, length),) = report._suspensions
    assert length == pytest.approx(35 * 60 * 10**9, abs=5 * 10**7)
    assert report._samples[2][0] < noticed == report._samples[3][0]


def test_a_system_without_a_clock_of_the_boot_knows_no_suspension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert asleep_ns() is None
    report = WorkerReport(with_latencies=False)
    report.progress(0)
    assert report._suspensions == []
