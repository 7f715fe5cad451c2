from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from fmbench_lib.host.csv_files import without_formulas, without_formulas_in, write_csv

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "=", "-", "+x"]
BEFORE = [
    " ",
    "   ",
    "\u00a0",
    "\u3000",
    "\n",
    "\r\n",
    " \t",
    "\ufeff",
    "\u200b",
    "\u202e",
    2000 * " ",
]


@pytest.mark.parametrize(
    "text",
    [*FORMULAS, "\tx", "\rx", "\nx", "＝1+1", "＋1+1", "－x", "＠x", "﹦1", *(f"{space}=1+1" for space in BEFORE)],
)
def test_a_text_that_begins_a_formula_is_quoted(text: str) -> None:
    assert list(without_formulas(pd.DataFrame({"a": [text]}))["a"]) == [f"'{text}"]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\x1b[31mred\x1b[0m\x07", "␛[31mred␛[0m␇"),
        ("a\x00b\x7f", "a␀b␡"),
        ("\x1b=1+1", "␛=1+1"),  # no formula, as its first character can be seen
        ("it\x92s\x9b2J", "it\ufffds\ufffd2J"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_no_terminal_obeys_a_cell(tmp_path: Path, text: str, written: str) -> None:
    write_csv(pd.DataFrame({"a": [text]}), tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["a"], [written]]


@pytest.mark.parametrize(
    "value",
    [
        "-5",
        "+1.5e-3",
        "-0.0",
        "text",
        " text",
        "  indented\n= b",
        "é=1",
        "日本",
        "   ",
        "'=1",
        "",
        "a=b",
        "1-2",
        None,
        -4,
        2.5,
    ],
)
def test_numbers_and_other_texts_stay(value: object) -> None:
    kept = without_formulas(pd.DataFrame({"a": pd.Series([value], dtype=object)}))["a"][0]
    assert kept is value or kept == value


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    rows = [["plain", 'a "quoted", cell'], ["two\nlines", "carriage\rreturn"], ["both\r\n", "x"]]
    path = tmp_path / "t.csv"
    write_csv(pd.DataFrame(rows, columns=["a", "b"]), path)
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["a", "b"], *rows]
    assert path.read_bytes().startswith(b'a,b\nplain,"a ""quoted"", cell"\n"two\nlines","carriage\rreturn"\n')


PIECES = [
    "=",
    "+",
    "-",
    "@",
    "'",
    '"',
    ",",
    " ",
    "\t",
    "\r",
    "\n",
    "\x1b",
    "\x00",
    "\x7f",
    "\x85",
    "a",
    "7",
    "é",
    "＝",
    "−",
]


def test_a_column_is_written_as_its_cells_are() -> None:
    """Also where a glance is to tell that a text is harmless."""
    texts = [*FORMULAS, "", "-5", "+1e3", "an answer", " =1", "a=1", *map("".join, product(PIECES, repeat=3))]
    column = pa.chunked_array([pa.array(texts), pa.array([None], pa.string())])
    assert without_formulas_in(column).to_pylist() == [*without_formulas(pd.DataFrame({"a": texts}))["a"], None]
