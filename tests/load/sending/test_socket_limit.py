"""A level that needs more sockets than the system allows is not begun, and the reason is a line."""

from __future__ import annotations

import resource

import pytest

from fmbench_lib.errors import WorkerError
from fmbench_lib.load.sending.socket_limit import check_sockets


def allow(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (min(most, 256), most))


@pytest.mark.parametrize(
    ("in_flight", "workers", "allowed"), [(4064, 1, 4096), (8128, 2, 4096), (None, 1, 64), (10_000, 1, 65_536)]
)
def test_what_fits_is_begun(in_flight: int | None, workers: int, allowed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, allowed)
    check_sockets(in_flight, workers)


@pytest.mark.parametrize(
    ("in_flight", "workers", "said"),
    [
        (4065, 1, "4,065 requests in flight need 4,097 open files in a load worker, and the system allows 4,096: "),
        (8129, 2, "8,129 requests in flight need 4,097 open files in each of 2 load workers, and the system allows "),
    ],
)
def test_what_does_not_is_said_with_the_limit_to_raise(
    in_flight: int, workers: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow(monkeypatch, 4096)
    with pytest.raises(WorkerError) as error:
        check_sockets(in_flight, workers)
    assert str(error.value).startswith(said)
    assert "ulimit -Hn 4097" in str(error.value)


def test_no_limit_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, resource.RLIM_INFINITY)
    check_sockets(1_000_000, 1)
