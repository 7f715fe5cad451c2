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


def test_an_order_to_stop_counts_once_and_says_what_it_was() -> None:
    asked = [False]
    with Interrupts(lambda: asked[0]) as interrupts:
        assert (interrupts.look(), interrupts.why) == (0, "")
        asked[0] = True
        assert [interrupts.look(), interrupts.look()] == [1, 1]
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.look() == 2
    assert interrupts.why == "stopped by `fmbench stop`"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGINT, "interrupted"),
        (signal.SIGTERM, "interrupted by SIGTERM"),
        (signal.SIGHUP, "interrupted, as its terminal was closed (SIGHUP)"),
    ],
)
def test_a_signal_is_named(number: signal.Signals, words: str) -> None:
    with Interrupts() as interrupts:
        os.kill(os.getpid(), number)
        assert interrupts.why == words
