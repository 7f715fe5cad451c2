"""Where rows come from, and how a line that is none is named."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.data.sources import Source
from fmbench_lib.errors import DataError


def rows(source: Source) -> list[dict[str, Any]]:
    return [row for _, row in source.read()]


def test_lines_are_rows_and_empty_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\ufeff{"input": "é"}\n\n{"input": "b"}', encoding="utf-8")
    source = Source.file(path)
    assert source.origin == str(path)
    assert list(source.read()) == [(f"{path}, line 1", {"input": "é"}), (f"{path}, line 3", {"input": "b"})]


def test_rows_are_read_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\nnot json\n')
    reading = Source.file(path).read()
    assert next(reading)[1] == {"a": 1}
    with pytest.raises(DataError, match="line 2: not JSON"):
        next(reading)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'["a"]\n', "line 1: list instead of a JSON object"),
        (b'{"a": 1\n', "line 1: not JSON"),
        (b'{"a": "\xff"}\n', "is not UTF-8"),
    ],
)
def test_what_is_no_row_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        rows(Source.file(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl cannot be read: No such file"):
        rows(Source.file(tmp_path / "none.jsonl"))


# -- the Hugging Face hub ---------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
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
def test_a_hub_name_says_data_set_subset_and_split(asked: list[Any], name: str, call: tuple[Any, ...]) -> None:
    assert rows(Source.hub(name, 3)) == [{"input": "x"}] * 3
    assert asked == [call]


def test_a_hub_error_is_one_line(asked: list[Any]) -> None:
    with pytest.raises(
        DataError, match=r"^source hf:org/none/\S+ could not be read .*: Dataset 'org/none' doesn't exist$"
    ):
        rows(Source.hub("hf:org/none/default/train", 3))


@pytest.mark.parametrize("name", ["hf:set", "hf:", "hf:org//x", "hf:a/b/c/d/e"])
def test_another_form_of_name_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="write it as hf:org/dataset"):
        Source.hub(name, 3)


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match="pip install datasets"):
        rows(Source.hub("hf:org/set", 3))
