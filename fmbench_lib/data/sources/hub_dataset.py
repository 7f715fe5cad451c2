"""Data sets of the Hugging Face Hub, `hf:org/dataset[/subset[/split]]`, streamed by the `datasets` library."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from importlib import import_module

from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest
from fmbench_lib.errors import DataError
from fmbench_lib.models.hub import first_line


def open_dataset(request: SourceRequest) -> Source:
    """The first rows of a data set; without a split, of its first split.

    `default` as subset is the data set's own default. Raises DataError for a name of another form.
    """
    name = request.name
    parts = name.removeprefix("hf:").split("/")
    if not 2 <= len(parts) <= 4 or not all(parts):
        raise DataError(f"source {name}: write it as hf:org/dataset, hf:org/dataset/subset or …/subset/split")
    subset, split = [*parts[2:], None, None][:2]
    dataset = "/".join(parts[:2])
    subset = None if subset == "default" else subset
    instead = "" if request.brought_by is None else f"; or bring its rows as a file: {request.brought_by}"
    return Source(name, partial(_rows, name, dataset, subset, split, request.max_rows, instead))


READER = Reader(reads_files=False, open=open_dataset)


def _rows(
    name: str, dataset: str, subset: str | None, split: str | None, rows: int, instead: str
) -> Iterator[tuple[str, Row]]:
    try:
        datasets = import_module("datasets")
    except ImportError:
        raise DataError(
            f"source {name} is a Hugging Face data set, which needs the datasets library: "
            f"pip install 'fmbench-lib[datasets]'{instead}"
        ) from None
    try:
        split = split or datasets.get_dataset_split_names(dataset, subset)[0]
        stream = datasets.load_dataset(dataset, subset, split=split, streaming=True)
        for number, row in enumerate(itertools.islice(stream, rows), 1):
            yield f"{name}, row {number}", dict(row)
    except Exception as error:  # the library raises errors of its own, of its HTTP client and builtins alike
        raise DataError(f"source {name} could not be read from Hugging Face: {first_line(error)}{instead}") from error
