"""The names of repeats are read as they are written."""

from __future__ import annotations

import pytest

from fmbench_lib.config.repeat_names import repeat_name, split_repeat


@pytest.mark.parametrize("load", ["concurrency-4", "rate-0.5", "trace"])
@pytest.mark.parametrize("repeat", [1, 2, 12])
def test_a_name_says_its_load_and_its_repeat(load: str, repeat: int) -> None:
    assert split_repeat(repeat_name(load, repeat)) == (load, repeat)


def test_what_is_no_repeat_is_a_load() -> None:
    assert split_repeat("rate-repeat-x") == ("rate-repeat-x", 1)
    assert repeat_name("rate-2", 3) == "rate-2-repeat-3"
