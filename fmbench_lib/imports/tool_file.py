"""A result file of another tool, read once: its JSON documents, its YAML, or its tables."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from fmbench_lib.errors import InputError

Document = Mapping[str, Any]
"""A JSON object or YAML mapping of a result file."""

_GZIP = b"\x1f\x8b"
_MOST_BYTES = 2 * 1024**3
_YAML_BYTES = 16 * 1024**2
_SAMPLE = 64 * 1024


@dataclass(frozen=True)
class ResultFile:
    """The text of a file and where it came from. `sha256` is that of its bytes, in hex."""

    path: Path
    text: str
    sha256: str

    @cached_property
    def documents(self) -> list[Document]:
        """The objects of a JSON file, of a list in one, of JSON lines, or of a YAML file; none where it is neither."""
        found = _json(self.text)
        if found is None and not self.text.lstrip().startswith(("{", "[")):
            found = _yaml(self.text)
        if isinstance(found, Mapping):
            return [found]
        return [one for one in found or () if isinstance(one, Mapping)] if isinstance(found, list) else []

    @cached_property
    def document(self) -> Document:
        """The first object; an empty one where there is none."""
        return self.documents[0] if self.documents else {}

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The rows of a CSV file under its header; none where there is no header of several columns."""
        if self.documents:
            return []
        lines = csv.reader(self.text.splitlines())
        try:
            header = next(lines, [])
            return [dict(zip(header, cells, strict=False)) for cells in lines if cells] if len(header) > 1 else []
        except csv.Error:
            return []

    @cached_property
    def tables(self) -> list[list[list[str]]]:
        """The tables of a CSV file that empty lines part, each as rows of cells with its header first."""
        if self.documents:
            return []
        tables: list[list[list[str]]] = [[]]
        try:
            for cells in csv.reader(self.text.splitlines()):
                if any(cell.strip() for cell in cells):
                    tables[-1].append([cell.strip() for cell in cells])
                elif tables[-1]:
                    tables.append([])
        except csv.Error:
            return []
        return [table for table in tables if table]

    @property
    def damage(self) -> str | None:
        """Why nothing can be recognised in the file: it is empty, or JSON that ends or breaks off; None for neither."""
        begun = self.text.lstrip()
        if not begun:
            return "it is empty"
        if begun[0] not in "{[" or self.documents:
            return None
        return _damage_of(self.text)

    def has(self, *keys: str) -> bool:
        """Whether the first object has all of these keys."""
        return all(key in self.document for key in keys)


def read_result_file(path: Path) -> ResultFile:
    """Read a file, unpacked where gzip packed it.

    Raises InputError for one that is missing, unreadable, larger than 2 GiB, or not text in UTF-8.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: larger than 2 GiB; import its summary, or a part of it")
        content = path.read_bytes()
        plain = gzip.decompress(content) if content.startswith(_GZIP) else content
        text = plain.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 (byte {error.start})") from error
    return ResultFile(path, text, hashlib.sha256(content).hexdigest())


def _json(text: str) -> Any:
    """One JSON value, or a list of the objects of JSON lines; None where it is neither."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return [json.loads(line) for line in lines]
    except (ValueError, RecursionError):
        return None


def _damage_of(text: str) -> str | None:
    """Where JSON, or JSON lines, are damaged; None where they are whole."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        place = f"at line {error.lineno}, column {error.colno}"
        if error.msg == "Extra data":
            place = f"in line {next(number for number, line in _numbered(text) if _json(line) is None)}"
        return f"its JSON is damaged or cut off {place}"
    except (ValueError, RecursionError):
        return "its JSON cannot be read"
    return None


def _numbered(text: str) -> list[tuple[int, str]]:
    """The lines that are not empty, with their numbers from 1."""
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _yaml(text: str) -> Any:
    """A YAML mapping; None for what is none, as every text without a colon, or a table."""
    if ":" not in text[:_SAMPLE] or len(text) > _YAML_BYTES:
        return None
    try:
        found = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return found if isinstance(found, Mapping) else None
