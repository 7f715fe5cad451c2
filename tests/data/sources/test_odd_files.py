"""Files that are not as they should be: the message has the file, the line, the column, and what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.data.sources.base import SourceRequest
from fmbench_lib.data.sources.readers import reader_for
from fmbench_lib.errors import DataError


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.jsonl",
            b'{"p": "a"}\n{"p": b}\n',
            ", line 2: not JSON (Expecting value, column 7); each line must be one ",
        ),
        ("a.jsonl", b'{"p": b}\n', "and there is '{\"p\": b}'"),
        ("a.jsonl", b"[1,2]\n", ", line 1: list instead of a JSON object with columns as keys: '[1,2]'"),
        ("a.json", b'[{"p": "a"}, 5]', ", element 2: int instead of an object with columns as keys: '5'"),
        ("a.json", b'[{"p": "a"},\n{"p":', ", line 2, column 6: not JSON"),
        (
            "a.csv",
            b"id,p\n1,a\n2\n",
            ", line 3: 1 cells for 2 columns (id, p); quote a cell that holds the separator: '2'",
        ),
        ("a.csv", "p\nhello\nGrüße\n".encode("latin-1"), "UTF-8 text: line 3, column 3 has the byte 0xfc; save it as"),
        ("a.txt", b"\xff\xfea", "is not UTF-8 text: line 1, column 1 has the byte 0xff; save it as UTF-8"),
    ],
)
def test_what_is_wrong_is_shown_where_it_is(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        list(reader_for(name).open(SourceRequest(name, path, 0)).read())
    assert words in str(error.value)
    assert str(path) in str(error.value)
