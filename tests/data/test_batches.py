"""Several texts in one request, and documents to rank."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fmbench_lib.config import Filter
from fmbench_lib.data.batches import RankedColumns, batched
from fmbench_lib.errors import DataError


def rows(count: int, **more: Any) -> Any:
    return [{"prompt_id": f"p{n}", "prompt": f"text {n}", "prompt_tokens": n, **more} for n in range(count)]


def wanted(*sizes: int) -> list[Filter]:
    plain = {"max_length_in_tokens": 500, "payload_file": "p.jsonl"}
    return [Filter.model_validate({**plain, "texts_per_request": size}) for size in sizes]


def test_texts_are_put_together_in_order_and_what_is_left_over_is_dropped() -> None:
    made = batched("p.jsonl", rows(7), wanted(3), str.upper)
    assert [row["texts"] for row in made] == [["text 0", "text 1", "text 2"], ["text 3", "text 4", "text 5"]]
    assert [row["prompt_tokens"] for row in made] == [3, 12]
    assert made[0]["prompt_id"] == "TEXT 0\0TEXT 1\0TEXT 2"


def test_one_text_a_request_changes_nothing() -> None:
    assert batched("p.jsonl", rows(2), wanted(1), str) == rows(2)
    assert batched("other.jsonl", rows(2), wanted(8), str) == rows(2)


@pytest.mark.parametrize(
    ("made", "sizes", "message"),
    [
        (rows(2), (3,), "2 texts, and one request has 3"),
        (rows(9), (2, 3), "differ in texts_per_request"),
        (rows(9, documents=["a"]), (2,), "not documents or messages"),
        (rows(9, messages=[{"role": "user", "content": "a"}]), (2,), "not documents or messages"),
    ],
)
def test_what_cannot_be_put_together_is_said(made: Any, sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        batched("p.jsonl", made, wanted(*sizes), str)


@pytest.mark.parametrize(
    ("documents", "relevance"),
    [
        (["a", "b"], [1, 0]),
        ('["a", "b"]', "[1, 0]"),
        (("a", "b"), (1.0, 0.0)),
        (np.array(["a", "b"]), np.array([1, 0])),
    ],
)
def test_documents_and_relevance_are_lists_or_their_json(documents: Any, relevance: Any) -> None:
    cells = RankedColumns("d", "r").cells("row 1", {"d": documents, "r": relevance})
    assert cells == {"documents": ["a", "b"], "relevance": [1.0, 0.0]}
    assert RankedColumns("d").cells("row 1", {"d": documents}) == {"documents": ["a", "b"]}
    assert RankedColumns().cells("row 1", {"d": documents}) == {}


@pytest.mark.parametrize(
    ("documents", "relevance", "message"),
    [
        ("a", [1], "column d: not a list of documents"),
        ([], [], "column d: not a list of documents"),
        (["a", " "], [1, 0], "column d: not a list of documents"),
        ([1], [1], "column d: not a list of documents"),
        (None, [1], "column d: not a list of documents"),
        (["a", "b"], [1], "column r: not the relevance of 2 documents"),
        (["a"], [-1], "column r: not the relevance of 1 documents"),
        (["a"], ["1"], "column r: not the relevance of 1 documents"),
        (["a"], [True], "column r: not the relevance of 1 documents"),
        (["a"], [float("nan")], "column r: not the relevance of 1 documents"),
    ],
)
def test_wrong_cells_are_named(documents: Any, relevance: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"row 1, {message}"):
        RankedColumns("d", "r").cells("row 1", {"d": documents, "r": relevance})
