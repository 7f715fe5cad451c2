"""JSON Lines files: rows with their locations, and what is said of a line that is not one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.data.sources.base import Source, SourceRequest
from fmbench_lib.data.sources.jsonl import READER
from fmbench_lib.errors import DataError


def source(path: Path) -> Source:
    return READER.open(SourceRequest(path.name, path, 1))


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in source(path).read()]


def test_lines_are_rows_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('\ufeff{"input": "é"}\n\n{"input": "b"}', encoding="utf-8")
    opened = source(path)
    assert opened.origin == str(path)
    assert list(opened.read()) == [(f"{path}, line 1", {"input": "é"}), (f"{path}, line 3", {"input": "b"})]


def test_rows_are_read_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\nnot json\n')
    reading = source(path).read()
    assert next(reading)[1] == {"a": 1}
    with pytest.raises(DataError, match="line 2: not JSON"):
        next(reading)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"p": 1}\n["a"]\n', "line 2: list instead of a JSON object"),
        (b'{"a": 1\n', "line 1: not JSON"),
        (b'{"a": "\xff"}\n', "is not UTF-8"),
    ],
)
def test_a_line_that_is_not_a_row_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        rows(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "helped"), [("prompts", True), ("a.yaml", True), ("a.jsonl", False)])
def test_a_text_file_with_another_ending_is_told_how_to_be_one(tmp_path: Path, name: str, helped: bool) -> None:
    path = tmp_path / name
    path.write_text("Why?\nHow?\n")
    with pytest.raises(DataError, match="line 1: not JSON") as caught:
        rows(path)
    assert str(caught.value).endswith("let it end in .txt where each line is a prompt") == helped


def test_a_line_of_the_batch_format_is_its_request(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    body = {"model": "m", "messages": [{"role": "user", "content": "Why?"}]}
    path.write_text(json.dumps({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}))
    assert rows(path)[0]["messages"] == body["messages"]
    path.write_text(json.dumps({"body": body}))
    assert "messages" not in rows(path)[0]


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl cannot be read: No such file"):
        rows(tmp_path / "none.jsonl")
