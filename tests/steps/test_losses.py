"""One part that breaks down costs itself: it is named, and everything else is there."""

from __future__ import annotations

import errno

import pytest

from fmbench_lib.errors import InputError, explained
from fmbench_lib.steps.losses import Losses


@pytest.mark.parametrize("error", [OverflowError("too large"), MemoryError(), RecursionError("deep"), KeyError("x")])
def test_a_part_that_breaks_down_is_named_with_its_error(error: Exception) -> None:
    def broken() -> int:
        raise error

    losses = Losses()
    assert losses.made("the table", broken, lambda: 7) == 7
    assert losses.made("another", lambda: 3, lambda: 7) == 3
    (line,) = losses.lines
    assert line.startswith(f"the table could not be made: {type(error).__name__}")
    assert "test_losses.py, line " in line


def test_what_concerns_all_parts_passes_through() -> None:
    losses = Losses()
    with pytest.raises(OSError, match="full"), losses.of("the table"):
        raise OSError(errno.ENOSPC, "the disk is full")
    assert losses.lines == []


def test_an_error_of_ours_is_its_own_text_and_any_other_is_one_line() -> None:
    assert explained(InputError("write a number")) == "write a number"
    assert explained(ValueError("one\ntwo")) == "ValueError: one two"
    assert explained(MemoryError()) == "MemoryError"
