"""The text of a source file: unpacked, in the encoding that its first bytes name, or what is there instead."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO, cast

from fmbench_lib.errors import DataError

PACKED_ENDINGS = (".gz", ".bz2", ".xz", ".zst")
"""Endings of packed files, which come after that of their form: `prompts.csv.gz`."""
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_OTHER = {
    b"PK\x03\x04": "a ZIP archive or a workbook; unpack it, or save its sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook; save its sheet as CSV in UTF-8",
    b"PAR1": "a Parquet file; let its name end in .parquet",
    b"ARROW1": "an Arrow file; save it as Parquet",
    b"SQLite format 3": "an SQLite database; export its table as CSV",
    b"%PDF": "a PDF; save its text as .txt",
}
"""What other files begin with, and what to do about each."""
_BEGINNING = 512
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


@contextlib.contextmanager
def readable(path: Path) -> Iterator[TextIO]:
    """A file of text, also one packed by gzip, bzip2, xz or Zstandard: in UTF-8, or in UTF-16 with its byte-order mark.

    It is read once, from its beginning. Raises DataError where it is no text or cannot be read.
    """
    try:
        with _bytes(path) as content, io.TextIOWrapper(content, encoding=_encoding(path), newline="") as file:
            yield file
    except _DAMAGED as error:
        raise DataError(f"source file {path} is packed and damaged: {error}; copy or download it again") from error
    except OSError as error:
        raise DataError(f"source file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"source file {path} is not UTF-8 text{_fault(path)}") from error


def _bytes(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked."""
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    packing = next((name for mark, name in _PACKED.items() if beginning.startswith(mark)), None)
    if packing == "gzip":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if packing == "bz2":
        return cast(IO[bytes], bz2.open(path, "rb"))
    if packing == "xz":
        return cast(IO[bytes], lzma.open(path, "rb"))
    if packing == "zstd":
        import pyarrow as pa  # not at the top: only this needs it, and Python has no Zstandard of its own

        return cast(IO[bytes], io.BufferedReader(pa.CompressedInputStream(str(path), "zstd")))
    return path.open("rb")


def _encoding(path: Path) -> str:
    """The encoding that the first bytes name, UTF-8 where they name none. Raises DataError for what is no text."""
    with _bytes(path) as file:
        beginning = file.read(_BEGINNING)
    other = next((what for mark, what in _OTHER.items() if beginning.startswith(mark)), None)
    if other is not None:
        raise DataError(f"source file {path} is {other}")
    named = next((encoding for mark, encoding in _ENCODINGS.items() if beginning.startswith(mark)), None)
    if named is None and beginning.count(0) > len(beginning) / 4:
        raise DataError(f"source file {path} is UTF-16 without a byte-order mark, or no text; save it as UTF-8")
    return named or "utf-8-sig"


def _fault(path: Path) -> str:
    """The first line that is not UTF-8, with the column and the byte there, and what to do about it."""
    with _bytes(path) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                column = len(line[: error.start].decode("utf-8")) + 1
                where = f": line {number}, column {column} has the byte 0x{line[error.start]:02x}"
                return f"{where}; save it as UTF-8, from Windows by iconv -f WINDOWS-1252 -t UTF-8"
    return "; save it as UTF-8"
