"""Which reader a source gets: those that ship, and those that packages add."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fmbench_lib.data.sources import delimited, hub_dataset, json_array, jsonl, parquet, readers, text_files
from fmbench_lib.data.sources.base import Reader, Source, SourceRequest
from fmbench_lib.data.sources.readers import GROUP, reader_for
from fmbench_lib.errors import DataError


@pytest.mark.parametrize(
    "name", ["data.jsonl", "data.JSONL", "s3://bucket/a/data.jsonl", "data.ndjson", "data", "hf/x.y"]
)
def test_a_file_of_any_other_ending_is_read_as_json_lines(name: str) -> None:
    assert reader_for(name) is jsonl.READER


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.csv", delimited.CSV),
        ("a.TSV", delimited.TSV),
        ("a.json", json_array.READER),
        ("a.parquet", parquet.READER),
        ("a.txt", text_files.READER),
        ("a.md", text_files.READER),
    ],
)
def test_a_file_is_read_by_its_ending(name: str, reader: Reader) -> None:
    assert reader_for(name) is reader


def test_a_prefix_chooses_the_reader() -> None:
    assert reader_for("hf:org/set/default/train") is hub_dataset.READER
    assert reader_for("hf:org/data.jsonl") is hub_dataset.READER
    assert reader_for("data.hf") is jsonl.READER  # not a file ending


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package that adds readers of `xlsx` and `jsonl`, and entry points that are wrong."""
    module: Any = ModuleType("own_readers")
    monkeypatch.setitem(sys.modules, "own_readers", module)
    module.CSV = Reader(True, lambda request: Source(request.name, lambda: iter([(f"{request.path}", {"a": 1})])))
    module.TABLE = Reader(False, lambda request: Source(request.name, lambda: iter([])))
    points = [
        EntryPoint("xlsx", "own_readers:CSV", GROUP),
        EntryPoint("jsonl", "own_readers:CSV", GROUP),
        EntryPoint("table", "own_readers:TABLE", GROUP),
        EntryPoint("ods", "own_readers:MISSING", GROUP),
        EntryPoint("xml", "sys:path", GROUP),
    ]
    found = lambda *, group, name: [point for point in points if (point.group, point.name) == (group, name)]  # noqa: E731
    monkeypatch.setattr(readers, "entry_points", found)
    return module


def test_a_package_adds_a_file_ending_and_a_prefix(installed: Any) -> None:
    reader = reader_for("data.xlsx")
    assert reader is installed.CSV
    opened = reader.open(SourceRequest("data.xlsx", Path("/data.xlsx"), 10))
    assert list(opened.read()) == [("/data.xlsx", {"a": 1})]
    assert reader_for("table:orders") is installed.TABLE


def test_it_does_not_replace_a_reader_that_ships(installed: Any) -> None:
    assert reader_for("data.jsonl") is jsonl.READER


def test_a_reader_that_cannot_be_used_is_a_data_error(installed: Any) -> None:
    with pytest.raises(DataError, match=r"ods sources, own_readers:MISSING, cannot be imported: AttributeError"):
        reader_for("data.ods")
    with pytest.raises(DataError, match=r"xml sources, sys:path, is a list: make it a .*Reader"):
        reader_for("data.xml")
