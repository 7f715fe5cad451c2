"""Ctrl-C and SIGTERM are counted while notebooks run, and mean what they meant afterwards."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from fmbench_lib.pipeline.interrupts import Interrupts


def test_signals_are_counted_and_the_handlers_restored() -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.count == 2
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert interrupts.count == 2


def test_a_thread_cannot_count_them_and_does_not_fail() -> None:
    counts: list[int] = []

    def enter() -> None:
        with Interrupts() as interrupts:
            counts.append(interrupts.count)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert counts == [0]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM, signal.SIGXCPU])
def test_every_signal_that_would_end_the_process_is_counted(number: signal.Signals) -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), number)
        assert interrupts.count == 1
    assert signal.getsignal(number) == signal.SIG_DFL


def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interrupts.count == 0
    finally:
        signal.signal(signal.SIGHUP, before)
