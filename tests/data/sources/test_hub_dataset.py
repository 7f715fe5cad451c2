"""Data sets of the Hugging Face Hub: how they are named, and what is said where one cannot be read."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.data.sources.base import Source, SourceRequest
from fmbench_lib.data.sources.hub_dataset import READER
from fmbench_lib.errors import DataError


def source(name: str) -> Source:
    return READER.open(SourceRequest(name, None, 3))


def rows(name: str) -> list[dict[str, Any]]:
    return [row for _, row in source(name).read()]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A `datasets` library that has one endless data set with the splits test and train."""
    calls: list[tuple[Any, ...]] = []

    def load_dataset(name: str, subset: str | None, *, split: str, streaming: bool) -> Any:
        calls.append((name, subset, split))
        assert streaming
        if name == "org/none":
            raise RuntimeError("Dataset 'org/none' doesn't exist\non the Hub")
        return iter(lambda: {"input": "x"}, None)

    library = SimpleNamespace(load_dataset=load_dataset, get_dataset_split_names=lambda *_: ["test", "train"])
    monkeypatch.setitem(sys.modules, "datasets", library)
    return calls


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("hf:org/set/part/train", ("org/set", "part", "train")),
        ("hf:org/set/default/train", ("org/set", None, "train")),
        ("hf:org/set/part", ("org/set", "part", "test")),
        ("hf:org/set", ("org/set", None, "test")),
    ],
)
def test_a_name_has_data_set_subset_and_split(loaded: list[Any], name: str, call: tuple[Any, ...]) -> None:
    assert rows(name) == [{"input": "x"}] * 3
    assert loaded == [call]


def test_a_hub_error_is_one_line(loaded: list[Any]) -> None:
    with pytest.raises(
        DataError, match=r"^source hf:org/none/\S+ could not be read .*: Dataset 'org/none' doesn't exist$"
    ):
        rows("hf:org/none/default/train")


@pytest.mark.parametrize("name", ["hf:set", "hf:", "hf:org//x", "hf:a/b/c/d/e"])
def test_another_form_of_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="write it as hf:org/dataset"):
        source(name)


def test_without_the_library_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'fmbench-lib\[datasets\]'"):
        rows("hf:org/set")
