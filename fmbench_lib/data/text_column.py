"""Which column of a data set holds the prompts, where nobody says it."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench_lib.data.conversations import COLUMNS
from fmbench_lib.errors import DataError

USUAL = ("prompt", *COLUMNS, "question", "input", "text", "instruction", "query")
"""Names of columns of prompts, the most telling first."""


def text_column(columns: Sequence[str], location: str) -> str:
    """The column of the prompts among `columns`: one with a usual name, else the only one.

    :param location: the row that the columns were seen in, for the message; without rows, the sources.
    :raises DataError: there are several columns, and none has a usual name.
    """
    by_name = {column.strip().casefold(): column for column in columns}
    found = next((by_name[name] for name in USUAL if name in by_name), None)
    if found is not None:
        return found
    if len(columns) == 1:
        return columns[0]
    if not columns:
        raise DataError(f"the source files have no rows: {location}")
    raise DataError(
        f"{location}: which of the columns {', '.join(columns)} is the prompt? Write it as datasets.prompt_template, "
        f"such as \"{{{columns[0]}}}\", or run it with --set 'datasets.prompt_template={{{columns[0]}}}'"
    )
