"""Which column of a data set holds the prompts, where nobody says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench_lib.data.conversations import COLUMNS
from fmbench_lib.errors import DataError

USUAL = ("prompt", *COLUMNS, "question", "input", "text", "instruction", "query")
"""Names of columns of prompts, the most telling first."""


_LONGEST_NAME = 60  # of a column; what is longer is a prompt


def text_column(row: Mapping[str, Any], location: str) -> str:
    """The column of the prompts in a row: one with a usual name, else the only one, or the only one with words in it.

    :param location: the row that the columns were seen in, for the message; without rows, the sources.
    :raises DataError: there are several columns with words, and none has a usual name.
    """
    columns = list(row)
    by_name = {column.strip().casefold(): column for column in columns}
    found = next((by_name[name] for name in USUAL if name in by_name), None)
    if found is not None:
        return found
    if not columns:
        raise DataError(f"the source files have no rows: {location}")
    if len(columns) == 1:
        return columns[0]
    worded = [column for column in columns if _has_words(row[column])]
    if len(worded) == 1 and is_name(worded[0]):
        return worded[0]
    likely = max(worded or columns, key=lambda column: len(str(row[column])))
    no_names = "" if all(map(is_name, columns)) else "; if that is a row, write a line with the columns' names above it"
    raise DataError(
        f"{location}: which of the columns {', '.join(columns)} is the prompt? Write it as datasets.prompt_template, "
        f"such as \"{{{likely}}}\", or run it with --set 'datasets.prompt_template={{{likely}}}'{no_names}"
    )


def is_name(text: str) -> bool:
    """Whether a text may be the name of a column, and is not a prompt."""
    return len(text) <= _LONGEST_NAME and not text.endswith(("?", ".", "!"))


def _has_words(value: Any) -> bool:
    return isinstance(value, str) and any(character.isalpha() for character in value)
