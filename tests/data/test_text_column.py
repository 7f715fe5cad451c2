"""Which column holds the prompts."""

from __future__ import annotations

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
    assert text_column(columns, "a.csv, line 2") == found


def test_several_columns_without_a_usual_name_are_asked_about() -> None:
    message = r"^a\.csv, line 2: which of the columns ticket, note is the prompt\? .* datasets\.prompt_template, "
    with pytest.raises(DataError, match=message):
        text_column(["ticket", "note"], "a.csv, line 2")
    with pytest.raises(DataError, match="have no rows"):
        text_column([], "")
