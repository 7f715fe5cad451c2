"""The rows in JSON: one object a line, an array, an object with an array, or a table by columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from fmbench_lib.data.conversations import is_conversation
from fmbench_lib.data.sources.base import Row
from fmbench_lib.data.sources.file_content import PACKED_ENDINGS, readable
from fmbench_lib.data.text_column import USUAL
from fmbench_lib.errors import DataError

_MOST_SHOWN = 60
_ENDINGS = (".jsonl", ".ndjson", ".json", ".txt", ".md")


def json_lines(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a file with one object a line, with their locations; of an array, in a file named so, its elements.

    Raises DataError at a line that is no object.
    """
    with readable(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            if number == 1 and (line.lstrip().startswith("[") or line.strip() == "{"):
                yield from json_rows(path)
                return
            yield f"{path}, line {number}", _parsed_line(path, number, line)


def json_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a file that is one JSON value, or has one object a line, with their locations.

    Raises DataError where it is neither, or an element is no row.
    """
    try:
        with readable(path) as file:
            content = json.load(file)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and not error.doc.lstrip().startswith("["):  # a second object: a file of lines
            yield from json_lines(path)
            return
        if not error.doc.strip():
            raise DataError(f"{path}: is empty") from None
        raise DataError(f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from error
    except RecursionError:
        raise DataError(f"{path}: is nested too deeply to be read") from None
    except ValueError as error:  # a number with thousands of digits
        raise DataError(f"{path}: not JSON ({error})") from error
    for number, row in enumerate(_rows_in(path, content), 1):
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, element {number}: {type(row).__name__} instead of an object with columns as keys: "
                f"{shown(json.dumps(row))}"
            )
        yield f"{path}, element {number}", row


def looks_like_rows(line: str) -> Literal["lines", "array"] | None:
    """Whether the first line of a text file is a row with a usual column of prompts, or the beginning of an array of
    objects; None where it is text, as a prompt may be JSON too."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "array" if _has_prompt(value[0]) else None
    return "lines" if isinstance(value, dict) and _has_prompt(value) else None


def shown(text: str) -> str:
    """A text as messages show what is there: its beginning, on one line."""
    line = " ".join(text.split())
    return repr(line) if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]!r}…"


def _parsed_line(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except RecursionError:
        raise DataError(f"{path}, line {number}: nested too deeply; each line must be one JSON object") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {number}: not JSON ({error.msg}, column {error.colno}); each line must be one JSON object, "
            f"and there is {shown(line)}{_other_form(path)}"
        ) from error
    except ValueError as error:  # a number with thousands of digits
        raise DataError(f"{path}, line {number}: not JSON ({error}); each line must be one JSON object") from error
    if not isinstance(row, dict):
        raise DataError(
            f"{path}, line {number}: {type(row).__name__} instead of a JSON object with columns as keys: {shown(line)}"
        )
    return _batched_request(row)


def _batched_request(row: Row) -> Row:
    """The request of a line in OpenAI's batch format, whose `body` is what is sent; any other row as it is."""
    body = row.get("body")
    return {**row, **body} if "custom_id" in row and isinstance(body, dict) else row


def _other_form(path: Path) -> str:
    """What to do about a file that is taken for JSON Lines because nothing is known of its ending."""
    if path.suffix.lower() in (*_ENDINGS, *PACKED_ENDINGS):
        return ""
    return "; its name has none of the known endings: let it end in .txt where each line is a prompt"


def _rows_in(path: Path, content: Any) -> list[Any]:
    """The rows in a JSON value: its elements, those of the only array in it, or of a table; a single row is a list of
    one. Raises DataError where it has several arrays of rows, or is none of these."""
    if isinstance(content, list):
        return [_row(element) for element in content]
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: {type(content).__name__} instead of an array of objects: {shown(json.dumps(content))}"
        )
    if _has_prompt(content) and not _is_table(content):
        return [content]
    arrays = {name: value for name, value in content.items() if isinstance(value, list) and _is_rows(value)}
    if len(arrays) > 1:
        raise DataError(f"{path}: has several arrays of rows, {', '.join(arrays)}; keep one of them in the file")
    if arrays:
        return next(iter(arrays.values()))
    if len(content) == 1 and isinstance(inner := next(iter(content.values())), dict) and not _is_table(content):
        return _rows_in(path, inner)
    return _table(content) or [content]


def _row(element: Any) -> Any:
    """An element of an array as a row: a text, or a list of messages, is the only column of one."""
    if isinstance(element, str):
        return {"text": element}
    return {"messages": element} if isinstance(element, list) and is_conversation(element) else element


def _has_prompt(row: Mapping[str, Any]) -> bool:
    return any(str(name).strip().casefold() in USUAL for name in row)


def _is_rows(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], dict)


def _is_table(content: Mapping[str, Any]) -> bool:
    return bool(_table(content))


def _table(content: Mapping[str, Any]) -> list[Row]:
    """The rows of a table: columns of lists, columns of values by row number (as pandas writes them), or rows by their
    names; empty where it is none."""
    columns = list(content.values())
    if all(isinstance(column, list) and not _is_rows(column) for column in columns):
        same = len({len(column) for column in columns}) == 1
        return [dict(zip(content, cells, strict=True)) for cells in zip(*columns, strict=True)] if same else []
    if not columns or not all(isinstance(column, dict) and column for column in columns):
        return []
    if all(_has_prompt(row) for row in columns):
        return columns
    names = columns[0].keys()
    if all(column.keys() == names for column in columns) and all(name.isdecimal() for name in names):
        return [{column: content[column][name] for column in content} for name in names]
    return []
