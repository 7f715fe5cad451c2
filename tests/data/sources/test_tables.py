"""Files of tables and text: rows with their locations, and what is said of a file or line that cannot be read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fmbench_lib.data.sources.base import SourceRequest
from fmbench_lib.data.sources.readers import reader_for
from fmbench_lib.errors import DataError


def read(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Each row with the part of its location behind the path."""
    opened = reader_for(path.name).open(SourceRequest(path.name, path, 1))
    assert opened.folder == (path if path.is_dir() else path.parent)
    return [(where.removeprefix(str(path)), row) for where, row in opened.read()]


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'ticket,answer\n"Why, then?",Because\n\n"a\nb",So\n'),
        ("a.csv", '\ufeffticket;answer\r\nWhy, then?;Because\r\n"a\nb";So\r\n'),
        ("a.tsv", 'ticket\tanswer\nWhy, then?\tBecause\n"a\nb"\tSo'),
        ("a.tab", 'ticket\tanswer\nWhy, then?\tBecause\n"a\nb"\tSo'),
        ("a.csv", 'ticket|answer\nWhy, then?|Because\n"a\nb"|So\n'),
        ("a.csv", 'ticket;answer\nWhy, then?;Because\n"a\nb";So\n'.encode("utf-16")),
        ("a.csv.gz", gzip.compress(b'ticket;answer\nWhy, then?;Because\n"a\nb";So\n', mtime=0)),
        ("a.csv.bz2", bz2.compress(b'ticket;answer\nWhy, then?;Because\n"a\nb";So\n')),
        ("a.csv.xz", lzma.compress(b'ticket;answer\nWhy, then?;Because\n"a\nb";So\n')),
        ("a.csv.zst", bytes(pa.compress(b'ticket;answer\nWhy, then?;Because\n"a\nb";So\n', "zstd"))),
        ("packed.csv", gzip.compress(b'ticket;answer\nWhy, then?;Because\n"a\nb";So\n', mtime=0)),
    ],
)
def test_cells_are_columns(tmp_path: Path, name: str, content: str | bytes) -> None:
    found = read(written(tmp_path, name, content))
    assert [row for _, row in found] == [
        {"ticket": "Why, then?", "answer": "Because"},
        {"ticket": "a\nb", "answer": "So"},
    ]
    assert found[0][0] == ", line 2"


def test_a_file_may_name_its_separator(tmp_path: Path) -> None:
    found = read(written(tmp_path, "a.csv", "sep=;\r\nid;text\r\n1;Why, then?\r\n"))
    assert found == [(", line 3", {"id": "1", "text": "Why, then?"})]


@pytest.mark.parametrize("blank", ["\n", "  \r\n\r\n"])
def test_blank_lines_before_the_names_do_not_count(tmp_path: Path, blank: str) -> None:
    line = blank.count("\n") + 2
    assert read(written(tmp_path, "a.csv", f"{blank}text;n\n\nWhy, then?;1\n")) == [
        (f", line {line + 1}", {"text": "Why, then?", "n": "1"})
    ]
    assert read(written(tmp_path, "b.csv", f"{blank}sep=;\ntext;n\nWhy, then?;1\n"))[0][0] == f", line {line + 1}"


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    assert len(read(written(tmp_path, "a.csv", "text\n" + "x" * 300_000))[0][1]["text"]) == 300_000


ROWS = [{"prompt": "Why?", "n": 1}, {"prompt": "é", "n": 2}]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(ROWS),
        json.dumps({"version": "1", "data": ROWS}, indent=1),
        json.dumps({"data": {"train": ROWS}}),
        json.dumps({"prompt": ["Why?", "é"], "n": [1, 2]}),
        json.dumps({"prompt": {"0": "Why?", "1": "é"}, "n": {"0": 1, "1": 2}}),
        json.dumps({"first": ROWS[0], "second": ROWS[1]}),
        "\n".join(map(json.dumps, ROWS)),
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_objects_of_a_json_file_are_rows(tmp_path: Path, content: str, name: str) -> None:
    if name == "a.jsonl" and content.startswith('{"') and "\n" not in content:
        pytest.skip("one line that is an object is one row")
    assert [row for _, row in read(written(tmp_path, name, content))] == ROWS


@pytest.mark.parametrize("content", [json.dumps(ROWS), "\n\n" + "\n".join(map(json.dumps, ROWS))])
def test_json_with_prompts_is_rows_in_a_text_file_too(tmp_path: Path, content: str) -> None:
    assert [row for _, row in read(written(tmp_path, "a.txt", content))] == ROWS


@pytest.mark.parametrize("line", ['{"name": "Ann", "age": 7}', "[1, 2]", '["a"]', "{", "[Prompt]"])
def test_a_prompt_may_be_json(tmp_path: Path, line: str) -> None:
    assert [row for _, row in read(written(tmp_path, "a.txt", f"\n{line}\nother\n"))] == [
        {"text": line},
        {"text": "other"},
    ]


def test_lists_of_messages_are_rows(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Why?"}]
    found = read(written(tmp_path, "a.json", json.dumps([messages, messages])))
    assert [row for _, row in found] == [{"messages": messages}] * 2


def test_an_array_of_texts_and_a_single_object(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.json", '["a", "b"]')) == [
        (", element 1", {"text": "a"}),
        (", element 2", {"text": "b"}),
    ]
    chat = {"messages": [{"role": "user", "content": "Hi"}]}
    assert read(written(tmp_path, "b.json", json.dumps(chat))) == [(", element 1", chat)]


def test_rows_of_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"prompt": ["a", None], "answers": [["x"], []]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [
        (", row 1", {"prompt": "a", "answers": ["x"]}),
        (", row 2", {"prompt": None, "answers": []}),
    ]


def test_a_line_of_text_is_a_prompt_and_so_is_a_file_of_a_folder(tmp_path: Path) -> None:
    assert read(written(tmp_path, "a.txt", "Why?\r\n\n How? \n")) == [
        (", line 1", {"text": "Why?"}),
        (", line 3", {"text": " How? "}),
    ]
    folder = tmp_path / "prompts.txt"
    folder.mkdir()
    written(folder, "2.txt", "b\nc")
    written(folder, "1.md", "a")
    written(folder, "3.png", b"\xff")
    assert read(folder) == [("/1.md", {"text": "a"}), ("/2.txt", {"text": "b\nc"})]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "is empty; its first line must name the columns"),
        ("a.csv", "a,a\n1,2", "line 1: two columns are called a;"),
        (
            "a.csv",
            "a,b\n1,2\n1,2,3\n",
            r"line 3: 3 cells for 2 columns \(a, b\); quote a cell that holds the separator",
        ),
        ("a.csv", 'a,b\n"1"x,2\n', "line 2: .*quote a cell"),
        ("a.csv", b"a\n\xff", "is not UTF-8 text"),
        ("a.json", "[1, 2", "line 1, column 6: not JSON"),
        ("a.json", "[1, 2]", "element 1: int instead of an object"),
        ("a.json", '"text"', "str instead of an array of objects"),
        ("a.json", "[" * 100_000, "is nested too deeply"),
        ("a.parquet", b"PAR1", "not a Parquet file that can be read"),
        ("a.txt", b"\xff", "is not UTF-8 text"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["no.csv", "no.json", "no.parquet", "no.txt"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=rf"{name} cannot be read"):
        read(tmp_path / name)


def test_a_folder_without_text_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "empty.txt"
    folder.mkdir()
    with pytest.raises(DataError, match=r"has no file that ends in \.txt or \.md"):
        read(folder)
