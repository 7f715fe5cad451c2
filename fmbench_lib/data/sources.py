"""Where rows come from: JSON-lines files, and data sets of the Hugging Face hub. Read one row at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from fmbench_lib.errors import DataError
from fmbench_lib.models.hub import first_line

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Rows, and what an error calls them by. `read` yields each row with the place it stands at."""

    origin: str
    read: Callable[[], Iterator[tuple[str, Row]]]

    @classmethod
    def file(cls, path: Path) -> Self:
        """A file with one JSON object per line; empty lines don't count."""
        return cls(str(path), partial(_read_file, path))

    @classmethod
    def hub(cls, name: str, rows: int) -> Self:
        """The first `rows` rows of `hf:org/dataset[/subset[/split]]`; without a split, of the first that there is.

        `default` as subset is the data set's own default. Raises DataError where the name is of another form.
        """
        parts = name.removeprefix("hf:").split("/")
        if not 2 <= len(parts) <= 4 or not all(parts):
            raise DataError(f"source {name}: write it as hf:org/dataset, hf:org/dataset/subset or …/subset/split")
        subset, split = [*parts[2:], None, None][:2]
        dataset = "/".join(parts[:2])
        return cls(name, partial(_read_hub, name, dataset, None if subset == "default" else subset, split, rows))


def _read_file(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}, line {number}", _parse(path, number, line)
    except OSError as error:
        raise DataError(f"source file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"source file {path} is not UTF-8 text: {first_line(error)}") from error


def _parse(path: Path, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {number}: not JSON ({error}); each line must be one JSON object") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}, line {number}: {type(row).__name__} instead of a JSON object with columns as keys")
    return row


def _read_hub(name: str, dataset: str, subset: str | None, split: str | None, rows: int) -> Iterator[tuple[str, Row]]:
    try:
        datasets = import_module("datasets")
    except ImportError:
        raise DataError(f"source {name} is a Hugging Face data set; run: pip install datasets") from None
    try:
        split = split or datasets.get_dataset_split_names(dataset, subset)[0]
        found = datasets.load_dataset(dataset, subset, split=split, streaming=True)
        for number, row in enumerate(itertools.islice(found, rows), 1):
            yield f"{name}, row {number}", dict(row)
    except Exception as error:  # the library raises its own, its transport's and plain ones alike
        raise DataError(f"source {name} could not be read from Hugging Face: {first_line(error)}") from error
