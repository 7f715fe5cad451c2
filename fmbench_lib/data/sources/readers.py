"""The readers, one row each: file endings and prefixes of names. Packages add theirs as `fmbench.sources`.

An entry point of that group is named after a file ending (`csv`) or a prefix (`sql` for `sql:…`) and leads to a
`Reader`. It does not replace one that ships.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pathlib import PurePosixPath
from typing import Any

from fmbench_lib.data.sources.base import Reader
from fmbench_lib.data.sources.file_content import PACKED_ENDINGS
from fmbench_lib.errors import DataError

GROUP = "fmbench.sources"
DEFAULT = "jsonl"
"""The form of a file whose ending no reader is registered for."""

_SHIPPED = {
    "jsonl": "jsonl:READER",
    "ndjson": "jsonl:READER",
    "json": "json_array:READER",
    "csv": "delimited:CSV",
    "tsv": "delimited:TSV",
    "tab": "delimited:TSV",
    "parquet": "parquet:READER",
    "txt": "text_files:READER",
    "md": "text_files:READER",
    "hf": "hub_dataset:READER",
    "synthetic": "synthetic_prompts:READER",
}
"""Each reader's module in this folder and its name there, by file ending or prefix."""


def reader_for(name: str) -> Reader:
    """The reader of a source, by the prefix or the file ending of its name, else that of JSON Lines files.

    Raises DataError where an installed reader cannot be imported or is no `Reader`.
    """
    prefix, colon, _ = name.partition(":")
    if colon and (reader := _registered(prefix)) is not None and not reader.reads_files:
        return reader
    path = PurePosixPath(name)
    if path.suffix.lower() in PACKED_ENDINGS:
        path = path.with_suffix("")
    ending = path.suffix.removeprefix(".").lower()
    reader = _registered(ending) if ending else None
    return reader if reader is not None and reader.reads_files else _shipped(DEFAULT)


def _registered(form: str) -> Reader | None:
    return _shipped(form) if form in _SHIPPED else _installed(form)


def _shipped(form: str) -> Reader:
    module, _, name = _SHIPPED[form].partition(":")
    reader: Reader = getattr(import_module(f"fmbench_lib.data.sources.{module}"), name)
    return reader


def _installed(form: str) -> Reader | None:
    for point in entry_points(group=GROUP, name=form):
        try:
            reader: Any = point.load()
        except Exception as error:  # a user's code may raise anything
            detail = f"{type(error).__name__}: {error}".strip(": ")
            raise DataError(f"the reader of {form} sources, {point.value}, cannot be imported: {detail}") from error
        if not isinstance(reader, Reader):
            raise DataError(
                f"the reader of {form} sources, {point.value}, is a {type(reader).__name__}: make it a "
                "fmbench_lib.data.sources.base.Reader"
            )
        return reader
    return None
