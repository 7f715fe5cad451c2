"""What a source is, and what a reader of one must offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from fmbench_lib.config.token_lengths import TokenLengths
from fmbench_lib.data.tokenizers import Tokenizer

Row: TypeAlias = dict[str, Any]
"""The columns of one row by name."""


@dataclass(frozen=True, slots=True)
class Source:
    """Rows and where they come from.

    `origin` is how messages and the report name the source. `read` yields each row with its location, such as
    `data.jsonl, line 3`, one row at a time; it raises DataError at the first row that cannot be read.
    """

    origin: str
    read: Callable[[], Iterator[tuple[str, Row]]]
    folder: Path | None = None
    """Where paths in its rows start; None where it is not in a folder."""


@dataclass(frozen=True, slots=True)
class SyntheticRequest:
    """An entry of `datasets.synthetic`: which prompts to make. Lengths are tokens as `tokenizer` counts them."""

    entry: int
    input_tokens: TokenLengths
    output_tokens: TokenLengths | None
    shared_prefix_tokens: int
    payload_file: str
    tokenizer: Tokenizer
    seed: int


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """One entry of `s3_read_data.source_data_files`, for the reader of its form."""

    name: str
    """As the config has it."""
    path: Path | None
    """The file on this machine; None for a reader that does not read files."""
    max_rows: int
    """`datasets.ds_N`: the most rows to read of a source that is not a file; of synthetic prompts, how many to make."""
    synthetic: SyntheticRequest | None = None
    """What to make; None for a source that is read."""
    brought_by: str | None = None
    """The command that brings the rows of a source of the Hub as a file, after which that is read; None without one."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A form of source. `open` reads no rows yet, and raises DataError for a name that it cannot use.

    A reader of files is chosen by the file's ending, any other by what stands before the colon of the name.
    """

    reads_files: bool
    open: Callable[[SourceRequest], Source]
