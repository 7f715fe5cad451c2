"""Names that become files: their length, and payload files that would share one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import LoadedConfig

Load = Callable[..., LoadedConfig]
Mistakes = Callable[..., dict[str, str]]


@pytest.mark.parametrize(
    ("name", "fits"), [("a" * 100, True), ("a" * 101, False), ("é" * 16, True), ("é" * 17, False), ("a/" * 26, False)]
)
def test_a_name_may_have_a_hundred_characters_once_it_is_encoded(
    load: Load, mistakes: Mistakes, minimal: str, name: str, fits: bool
) -> None:
    text = minimal.replace("name: mini", f"name: '{name}'")  # é is two bytes, %C3%A9; / is %2F
    if fits:
        assert load(text).config.general.name == name
    else:
        assert list(mistakes(text)) == ["general.name"]
    text = minimal.replace("name: mine", f"name: '{name}'")
    if not fits:
        assert list(mistakes(text)) == ["experiments[0].name"]


def test_payload_files_that_differ_by_their_ending_only_are_refused(mistakes: Mistakes, minimal: str) -> None:
    line = next(line for line in minimal.splitlines(keepends=True) if "payload_file:" in line)
    found = mistakes(minimal.replace(line, line + line.replace("500.jsonl}", "500}")))
    assert list(found) == ["datasets.filters[1].payload_file"]
    assert "differs from 'payload_en_1-500.jsonl' by its ending only" in found["datasets.filters[1].payload_file"]


def test_a_payload_file_has_a_name_before_its_ending(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(minimal.replace("payload_en_1-500.jsonl", ".jsonl"))
    assert list(found) == ["datasets.filters[0].payload_file"]


@pytest.mark.parametrize(
    ("name", "fits"), [("a\u202eb", False), ("a\u200bb", False), ("\ufeffa", False), ("👩\u200d🔬", True), ("ab", True)]
)
def test_a_name_that_hides_what_it_is_is_refused(
    load: Load, mistakes: Mistakes, minimal: str, name: str, fits: bool
) -> None:
    text = minimal.replace("name: mine", f"name: '{name}'")
    if fits:
        assert load(text).config.experiments[0].name == name
    else:
        assert "which nobody sees" in mistakes(text)["experiments[0].name"]
