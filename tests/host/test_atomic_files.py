"""Files that appear whole or not at all, and JSON in them."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import pytest

from fmbench_lib.host.atomic_files import each_text, read_json, read_rows, replacing, write_json, write_rows, write_text


def test_a_file_is_replaced_only_when_the_block_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "file.txt"
    write_text(path, "old")
    with contextlib.suppress(RuntimeError), replacing(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_json_is_strict(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, None, "é"]})
    assert read_json(path) == {"a": [1, None, "é"]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": math.nan})
    assert read_json(path) == {"a": [1, None, "é"]}


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [{"prompt": "é\n\u2028"}, {"prompt": ""}]
    write_rows(tmp_path / "a.jsonl", iter(rows))
    assert list(read_rows(tmp_path / "a.jsonl")) == rows


def test_every_string_but_keys_is_changed() -> None:
    content = {"ab": ["a", ("a", 1), {"a": None}], "b": True}
    assert each_text(content, str.upper) == {"ab": ["A", ["A", 1], {"a": None}], "b": True}


def test_who_may_read_a_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {})
    path.chmod(0o600)
    with replacing(path) as part:
        part.write_text("[]")
    assert path.stat().st_mode & 0o777 == 0o600
