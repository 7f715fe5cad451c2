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
