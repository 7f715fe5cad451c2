"""Lengths of time by the clock of the boot."""

from __future__ import annotations

import pytest

from fmbench_lib.host.boot_clock import BootTime, boot_time, seconds_between

FIRST = BootTime("one", 100.0)


@pytest.mark.parametrize(
    ("begin", "end", "seconds"),
    [
        (FIRST, BootTime("one", 130.5), 30.5),
        (FIRST, BootTime("two", 130.5), None),  # booted meanwhile, or another machine
        (None, FIRST, None),
        (FIRST, None, None),
    ],
)
def test_moments_are_compared_within_one_boot_alone(
    begin: BootTime | None, end: BootTime | None, seconds: float | None
) -> None:
    assert seconds_between(begin, end) == seconds


def test_a_later_moment_is_of_the_same_boot_and_not_earlier() -> None:
    begin, end = boot_time(), boot_time()
    if begin is not None:
        assert seconds_between(begin, end) >= 0.0


def test_a_system_without_such_a_clock_has_no_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("time.CLOCK_BOOTTIME", raising=False)
    assert boot_time() is None
