"""That nothing which goes into a page can be read as Markdown, HTML or a formula."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmbench_lib.report.markdown import bullets, code, escape, fence, frame, one_line, sentence_list, table

HOSTILE = [
    "a|b",
    "a\\|b",
    "<script>alert(1)</script>",
    "[x](http://y)",
    "*b* _i_ `c`",
    "$1 and $2",
    "line\nbreak",
    "`|`",
]


def cells(row: str) -> list[str]:
    """The cells of a row as GitHub's parser cuts it: at pipes that no backslash takes the meaning from."""
    assert row.startswith("| ")
    assert row.endswith(" |")
    return re.split(r"(?<!\\)(?:\\\\)*\|", row[1:-1])


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_stays_one_cell_and_one_line(text: str) -> None:
    for written in (escape(text), code(text)):
        lines = table(["x", "y"], [[written, "z"]]).split("\n")
        assert len(lines) == 3
        assert [len(cells(line)) for line in lines] == [2, 2, 2]


@given(st.text())
def test_any_text_makes_a_whole_table(text: str) -> None:
    for written in (escape(text), code(text)):
        assert "\n" not in written
        assert len(cells(table(["x", "y"], [[written, "z"]]).split("\n")[2])) == 2


@given(st.text())
def test_escaped_text_has_no_sign_that_means_something(text: str) -> None:
    bare = re.sub(r"\\[\\`*\[\]<>#$~|_&+/.)-]", "", escape(text))
    assert not re.search(r"[\\`*\[\]<>#$~|]", bare)


def test_escaping_leaves_plain_names_as_they_are() -> None:
    assert escape("payload_en_1-500.jsonl at 0.5/s (12%)") == "payload_en_1-500.jsonl at 0.5/s (12%)"


def test_a_list_or_an_address_is_not_made_of_text() -> None:
    assert escape("1. first") == "1\\. first"
    assert escape("- first") == "\\- first"
    assert escape("see http://example.org") == "see http:\\//example.org"


def test_code_holds_backticks() -> None:
    assert code("a `b` c") == "`` a `b` c ``"


def test_invisible_characters_and_length() -> None:
    assert one_line("a\u202eb\x00c\td") == "abc d"
    assert one_line("\x1b[31mred\x1b[0m\x1b]0;title\x07 \x9b2Jx\u061c\ufff9y") == "red xy"
    assert len(one_line("x" * 1000, 50)) == 50


def test_a_fence_cannot_be_closed_by_its_text() -> None:
    assert fence("a: |\n  ```\n").startswith("````\n")


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 columns"):
        table(["a", "b"], [["1"]])


def test_a_frame_of_texts_is_escaped_and_what_fails_is_bold() -> None:
    shown = frame(pd.DataFrame({"name": ["a|b"], "p95": ["2.1 s ✗"], "no": ["–"]}), to_the_right=["p95"])
    assert shown.split("\n") == ["| name | p95 | no |", "| --- | ---: | --- |", "| a\\|b | **2.1 s ✗** | – |"]


def test_lists() -> None:
    assert sentence_list(["a", "b", "c"]) == "a, b and c"
    assert bullets(["a", "b"]) == "- a\n- b"
