"""A worker's decisions, on exchanges made by hand."""

from __future__ import annotations

import resource
import socket
from typing import Any

import pytest

from fmbench_lib.host.process_limits import allow_many_sockets
from fmbench_lib.load.sending.exchange import Exchange
from fmbench_lib.load.sending.targets import Target
from fmbench_lib.load.sending.timeouts import Deadlines, Limits

TARGET = Target(0, "h", 80, False, "h", socket.AF_INET, ("127.0.0.1", 80))
SECOND = 10**9


def exchange(**state: Any) -> Exchange:
    """One that was sent at 1 s over a connection that had been idle, and met its end 1 ms later."""
    made = Exchange(0, 0, b"", TARGET, measured=True, due_ns=0)
    met: dict[str, Any] = {"reused": True, "sent_ns": SECOND, "end_ns": SECOND + 10**6, "error": "truncated"}
    for name, value in {**met, **state}.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("state", "again"),
    [
        ({}, True),
        ({"reused": False}, False),
        ({"retried": 1}, False),
        ({"pieces": [b"H"]}, False),
        ({"error": "timeout"}, False),
        ({"error": "tls"}, False),
        ({"end_ns": 61 * SECOND}, False),  # a minute of silence: the server had it
        ({"end_ns": SECOND + 10**8}, False),  # so it did when it worked for many times the way to it and back
    ],
)
def test_only_what_a_closed_idle_connection_ate_is_sent_again(state: dict[str, Any], again: bool) -> None:
    assert exchange(**state).met_closed_connection(round_trip_ns=2 * 10**6) is again


def test_a_long_way_to_the_server_is_no_sign_that_it_had_the_request() -> None:
    assert exchange(end_ns=SECOND + 10**8).met_closed_connection(round_trip_ns=10**8)


@pytest.mark.parametrize(
    ("head", "error", "failed"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None, False),
        (b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n", None, True),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", None, True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "timeout", True),
    ],
)
def test_a_status_that_refuses_is_a_failure_while_the_level_goes_on(
    head: bytes, error: str | None, failed: bool
) -> None:
    one = exchange(error=error)
    one.pieces.append(head)
    one.response.look()
    assert one.failed is failed


def test_a_new_try_starts_from_nothing_but_keeps_its_due_time() -> None:
    one = exchange(due_ns=7, cap_wait_ns=9, pieces=[b"x"], user_ns=[1], kernel=[b""], message="m", connect_ns=4)
    one.reset()
    assert (one.due_ns, one.cap_wait_ns) == (7, 9)
    assert (one.connect_ns, one.sent_ns, one.reused, one.error, one.message) == (None, None, False, None, "")
    assert (one.pieces, one.user_ns, one.kernel) == ([], [], [])


def test_what_is_spooled_is_let_go() -> None:
    one = exchange(wire=b"x" * 1000, pieces=[b"x" * 1000])
    one.let_go()
    assert (one.wire, one.pieces, one.user_ns, one.kernel) == (b"", [], [], [])


def test_the_limit_of_open_files_is_raised() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(64, before[0]), before[1]))
        allow_many_sockets()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_request_is_given_the_time_for_which_its_client_was_stopped() -> None:
    """Ten seconds each: the first was under way while the client did not run for 20 s, the second is of afterwards."""
    deadlines = Deadlines(Limits(10 * SECOND))
    first, second = exchange(due_ns=0, sent_ns=0), exchange(due_ns=26 * SECOND, sent_ns=26 * SECOND)
    deadlines.watch(first, 0)
    deadlines.stopped(25 * SECOND, 20 * SECOND)
    assert list(deadlines.expired([first], 25 * SECOND)) == []
    assert deadlines.next_ns == 30 * SECOND
    deadlines.watch(second, 26 * SECOND)
    assert [one for one, _ in deadlines.expired([first, second], 30 * SECOND)] == [first]
    assert [one for one, _ in deadlines.expired([second], 36 * SECOND)] == [second]
