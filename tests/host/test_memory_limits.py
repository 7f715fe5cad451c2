"""Memory that ran out: how errors show it, and what is said to do."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from fmbench_lib.errors import FmbenchError
from fmbench_lib.host import memory_limits
from fmbench_lib.host.memory_limits import check_memory, killed_for_memory, lacks_memory, shortage, spare_memory

Limited = Callable[[int | None], None]


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Limited:
    """Sets the limit of memory that this process is told of, in KiB; None: it has none."""

    def limit(kib: int | None) -> None:
        most = resource.RLIM_INFINITY if kib is None else kib << 10
        none = resource.RLIM_INFINITY
        monkeypatch.setattr(
            resource, "getrlimit", lambda which: (most, most) if which == resource.RLIMIT_AS else (none, none)
        )

    return limit


@pytest.mark.parametrize(
    "said",
    [
        *("MemoryError: ", "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 8 GiB", "std::bad_alloc"),
        *(
            "[Errno 12] Cannot allocate memory",
            "RuntimeError: can't start new thread",
            "OpenBLAS: pthread_create failed",
        ),
        "ImportError: libx.so: failed to map segment from shared object",
    ],
)
def test_errors_for_want_of_memory(said: str, limited: Limited) -> None:
    assert lacks_memory(said)
    limited(950_000)
    assert shortage(said) == "it ran out of memory: raise its limit (ulimit -v 950000)"
    limited(None)
    assert "give this machine or its container more" in shortage(said)


def test_other_errors_are_none(limited: Limited) -> None:
    limited(None)
    assert not lacks_memory("ValueError: memory_size must be positive")
    assert shortage("its kernel was killed", died=True) == ""
    assert shortage("ValueError: no", 0.5, killed=3) == ""


def test_the_limit_of_data_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {resource.RLIMIT_AS: 950_000 << 10, resource.RLIMIT_DATA: 300_000 << 10}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], limits[which]))
    assert shortage("MemoryError") == "it ran out of memory: raise its limit (ulimit -d 300000)"


def test_too_few_open_files_have_a_remedy_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (48, 48))
    assert shortage("OSError: [Errno 24] Too many open files", 0.99) == "raise the limit of open files (ulimit -n 48)"


def test_what_is_only_probable_is_said_as_that(limited: Limited) -> None:
    limited(950_000)
    near = shortage("ValueError: Invalid Signature", 0.97)
    assert near.startswith("perhaps it ran out of memory, as it had taken 97% of what it may have")
    assert shortage("its kernel was killed", died=True) == (
        "perhaps it ran out of memory: raise its limit (ulimit -v 950000)"
    )
    limited(None)
    assert "the system has just killed 2 for that" in shortage("its kernel was killed", died=True, killed=2)


def test_a_step_that_has_no_room_is_not_begun(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(None)
    monkeypatch.setattr(memory_limits, "_STEP_BYTES", 1 << 60)
    check_memory()  # without a limit nothing is tried
    limited(600_000)
    with pytest.raises(FmbenchError, match=r"too little memory is left to go on: raise its limit \(ulimit -v 600000\)"):
        check_memory()
    monkeypatch.setattr(memory_limits, "_STEP_BYTES", 1 << 12)
    check_memory()


def test_a_process_with_a_limit_reserves_less(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda which, value: asked.append((which, value)))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    limited(None)
    spare_memory()
    assert ("MALLOC_ARENA_MAX" in os.environ, asked) == (False, [])
    limited(950_000)
    spare_memory()
    assert os.environ["MALLOC_ARENA_MAX"] == "2"
    assert os.environ["ARROW_DEFAULT_MEMORY_POOL"] == "jemalloc"  # as it was said
    assert asked == [(-8, 2)]
    monkeypatch.delenv("MALLOC_ARENA_MAX")


def test_the_system_counts_what_it_killed() -> None:
    killed = killed_for_memory()
    assert killed is None or killed >= 0
