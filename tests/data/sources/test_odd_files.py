"""Files that are not as they should be: the message has the file, the line, the column, and what is there."""

from __future__ import annotations

import gzip
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
        ("a.jsonl", b'{"p": 1}\n[1,2]\n', ", line 2: list instead of a JSON object with columns as keys: '[1,2]'"),
        ("a.jsonl", b"[1,2]\n", ", element 1: int instead of an object with columns as keys: '1'"),
        ("a.json", b'[{"p": "a"}, 5]', ", element 2: int instead of an object with columns as keys: '5'"),
        ("a.json", b'[{"p": "a"},\n{"p":', ", line 2, column 6: not JSON"),
        (
            "a.csv",
            b"id,p\n1,a\n2\n",
            ", line 3: 1 cells for 2 columns (id, p); quote a cell that holds the separator: '2'",
        ),
        ("a.csv", "p\nhello\nGrüße\n".encode("latin-1"), "UTF-8 text: line 3, column 3 has the byte 0xfc; save it as"),
        ("a.txt", b"\xffa", "is not UTF-8 text: line 1, column 1 has the byte 0xff; save it as UTF-8, from Windows by"),
        ("a.csv", "id,p\n1,why\n".encode("utf-16-be"), "is UTF-16 without a byte-order mark, or no text"),
        ("a.csv", b'id,p\n1,ok\n2,"open\n3,x\n', ", line 3: a quotation mark that is opened in this row is not closed"),
        (
            "a.csv",
            b"Why is the sky blue?\nWhat is rain?\n",
            ", line 1: 'Why is the sky blue?' is a prompt, and must be",
        ),
        (
            "a.csv",
            b"p\nwhy, then\n",
            ", line 2: 2 cells for the only column, p; quote a cell that holds the separator",
        ),
        ("a.csv", b"a,,\n1,2,3\n", ", line 1: two columns are without a name"),
        ("a.json", b"", ": is empty"),
        ("a.json", b'{"train": [{"p": 1}], "test": [{"p": 2}]}', ": has several arrays of rows, train, test; keep one"),
        ("a.xlsx", b"PK\x03\x04" + bytes(99), "is a ZIP archive or a workbook; unpack it, or save its sheet as CSV"),
        ("a.csv", b"PAR1" + bytes(99), "is a Parquet file; let its name end in .parquet"),
        ("a.csv.gz", gzip.compress(b"p\nwhy\nhow\n", mtime=0)[:-9], "is packed and damaged: "),
    ],
)
def test_what_is_wrong_is_shown_where_it_is(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        list(reader_for(name).open(SourceRequest(name, path, 0)).read())
    assert words in str(error.value)
    assert str(path) in str(error.value)
