"""Which column holds the prompts."""

from __future__ import annotations

from typing import Any

import pytest

from fmbench_lib.data.text_column import text_column
from fmbench_lib.errors import DataError


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["id", "prompt", "text"], "prompt"),
        (["id", "Question ", "answer"], "Question "),
        (["input", "label"], "input"),
        (["n", "TEXT"], "TEXT"),
        (["ticket"], "ticket"),
    ],
)
def test_a_usual_name_or_the_only_column(columns: list[str], found: str) -> None:
    assert text_column(dict.fromkeys(columns, "some words"), "a.csv, line 2") == found


@pytest.mark.parametrize(
    "row",
    [
        {"id": 7, "ticket": "It is broken", "score": 0.5, "when": None},
        {"id": "7", "ticket": "It is broken", "when": "2026-11-30", "note": ""},
    ],
)
def test_the_only_column_with_words(row: dict[str, Any]) -> None:
    assert text_column(row, "a.csv, line 2") == "ticket"


def test_several_columns_without_a_usual_name_are_asked_about() -> None:
    message = (
        r"^a\.csv, line 2: which of the columns note, ticket is the prompt\? Write it as datasets\.prompt_template, "
        r"such as \"\{ticket\}\", or run it with --set 'datasets\.prompt_template=\{ticket\}'$"
    )
    with pytest.raises(DataError, match=message):
        text_column({"note": "old", "ticket": "It is broken"}, "a.csv, line 2")
    with pytest.raises(DataError, match="have no rows"):
        text_column({}, "")


def test_a_file_without_names_is_told_from_one_with_names() -> None:
    with pytest.raises(DataError, match=r"if that is a row, write a line with the columns' names above it$"):
        text_column({"What is a cache?": "How big is it?", "7": "8"}, "a.csv, line 2")
