"""Rows that are more than one text: prompts that one request embeds together, and documents that are ranked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from fmbench_lib.config import Filter
from fmbench_lib.errors import DataError

if TYPE_CHECKING:
    from fmbench_lib.data.prompts import PromptRow


class RankedCells(TypedDict):
    """The documents of a row, and their relevance, as far as there are columns for them."""

    documents: NotRequired[list[str]]
    relevance: NotRequired[list[float]]


@dataclass(frozen=True, slots=True)
class RankedColumns:
    """The columns of the documents and of their relevance; None where there are none."""

    documents: str | None = None
    relevance: str | None = None

    @property
    def columns(self) -> tuple[str | None, str | None]:
        """The names of both, documents first."""
        return self.documents, self.relevance

    def cells(self, location: str, row: Mapping[str, Any]) -> RankedCells:
        """`documents` and `relevance` of a row, as far as there are columns for them.

        Raises DataError for a cell that is no list of documents, or of as many numbers.
        """
        if self.documents is None:
            return {}
        documents = _list(row[self.documents])
        if not documents or not all(isinstance(each, str) and each.strip() for each in documents):
            raise DataError(f"{location}, column {self.documents}: not a list of documents; write a list of texts")
        if self.relevance is None:
            return {"documents": documents}
        relevance = _list(row[self.relevance])
        if len(relevance) != len(documents) or not all(map(_is_grade, relevance)):
            raise DataError(
                f"{location}, column {self.relevance}: not the relevance of {len(documents)} documents; write a list "
                "of as many numbers, 0 or more"
            )
        return {"documents": documents, "relevance": [float(each) for each in relevance]}


def _list(value: Any) -> list[Any]:
    """The list in a cell, which tables hold as its JSON text; empty where it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    if hasattr(value, "tolist"):  # an array, whose numbers are then Python's
        value = value.tolist()
    return list(value) if isinstance(value, list | tuple) else []


def _is_grade(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def batched(
    payload_file: str, rows: Sequence[PromptRow], filters: Sequence[Filter], id_of: Callable[[str], str]
) -> list[PromptRow]:
    """The rows of a payload file, so many of them together as its filters say; what is left over is dropped.

    Raises DataError where its filters differ in that, or rows with documents or messages are to be put together, or
    there are fewer rows than one request has.
    """
    sizes = {wanted.texts_per_request for wanted in filters if wanted.payload_file == payload_file}
    if len(sizes) > 1:
        raise DataError(
            f"datasets.filters, {payload_file}: filters of one file differ in texts_per_request; give all the same"
        )
    size = sizes.pop() if sizes else 1
    if size == 1:
        return list(rows)
    if any("documents" in row or "messages" in row for row in rows):
        raise DataError(
            f"datasets.filters, {payload_file}: texts_per_request puts plain texts together, not documents or "
            "messages; leave it out"
        )
    if len(rows) < size:
        raise DataError(
            f"datasets.filters, {payload_file}: {len(rows)} texts, and one request has {size}; lower "
            "texts_per_request, or add data"
        )
    return [_together(rows[start : start + size], id_of) for start in range(0, len(rows) - size + 1, size)]


def _together(rows: Sequence[PromptRow], id_of: Callable[[str], str]) -> PromptRow:
    texts = [row["prompt"] for row in rows]
    return {
        **rows[0],
        "prompt_id": id_of("\0".join(texts)),
        "prompt": "\n".join(texts),
        "prompt_tokens": sum(row["prompt_tokens"] for row in rows),
        "question": None,
        "ground_truth": None,
        "texts": texts,
    }
