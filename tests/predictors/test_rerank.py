"""Rerank endpoints and batches of embeddings: requests, scores, and answers that are none."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import pytest

from fmbench_lib.predictors.base import HttpResponse
from fmbench_lib.predictors.message_lists import request_of, takes_row
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.rerank import RerankPredictor
from fmbench_lib.predictors.vector_similarity import similarities

COHERE = RerankPredictor("http://h/v1/rerank", "documents", "m", {"top_n": 2}, api_key="k")
TEI = RerankPredictor("http://h/rerank", "texts", "m")
EMBEDDINGS = OpenAiPredictor("http://h/v1/embeddings", "m", stream=False)
ROW = {"prompt": "why", "documents": ["a", "b"]}


def answered(codec: Any, body: Any) -> Any:
    return codec.decode(HttpResponse(200, (), body if isinstance(body, bytes) else json.dumps(body).encode()))


def body_of(codec: Any, row: dict[str, Any]) -> Any:
    return json.loads(request_of(codec, row, 9).body)


def test_requests_have_the_names_of_their_servers() -> None:
    assert body_of(COHERE, ROW) == {"model": "m", "query": "why", "documents": ["a", "b"], "top_n": 2}
    assert dict(request_of(COHERE, ROW, None).headers)["authorization"] == "Bearer k"
    assert body_of(TEI, ROW) == {"query": "why", "texts": ["a", "b"]}
    assert body_of(EMBEDDINGS, ROW) == {"model": "m", "input": ["why", "a", "b"]}
    assert body_of(EMBEDDINGS, {"prompt": "a\nb", "texts": ["a", "b"]}) == {"model": "m", "input": ["a", "b"]}
    assert json.loads(TEI.encode("why").body) == {"query": "why", "texts": ["why"]}  # as a probe asks


def test_a_codec_says_what_it_can_send() -> None:
    chat = OpenAiPredictor("http://h/v1/chat/completions", "m")
    texts = {"prompt": "a", "texts": ["a", "b"]}
    assert [takes_row(codec, ROW) for codec in (COHERE, TEI, EMBEDDINGS, chat)] == [True, True, True, False]
    assert [takes_row(codec, texts) for codec in (COHERE, EMBEDDINGS, chat)] == [False, True, False]
    assert takes_row(chat, {"prompt": "a"})


def test_scores_come_back_in_the_order_of_the_documents() -> None:
    jina = {
        "results": [
            {"index": 2, "relevance_score": 0.9, "document": {"text": "c"}},
            {"index": 0, "relevance_score": 1},
        ],
        "usage": {"total_tokens": 12, "prompt_tokens": 12},
    }
    made = answered(COHERE, jina)
    assert (made.scores[0], made.scores[2], made.texts) == (1.0, 0.9, 3)
    assert math.isnan(made.scores[1])
    assert (made.prompt_tokens, made.completion_tokens, made.error_class, made.text) == (12, 0, None, "")
    cohere = {"results": [{"index": 0, "relevance_score": 0.5}], "meta": {"tokens": {"input_tokens": 7}}}
    assert answered(COHERE, cohere).prompt_tokens == 7
    assert answered(TEI, [{"index": 1, "score": -0.2}, {"index": 0, "score": 0.1}]).scores == (0.1, -0.2)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": "no"}, "endpoint"),
        ({"results": []}, "empty"),
        ({"results": [{"index": 0}]}, "decode"),
        ({"results": [{"index": "0", "relevance_score": 1}]}, "decode"),
        ({"results": [{"index": -1, "relevance_score": 1}]}, "decode"),
        ({"results": [{"index": 10**9, "relevance_score": 1}]}, "decode"),
        ({"results": [{"index": 0, "relevance_score": True}]}, "decode"),
        ({"data": []}, "decode"),
        ([1], "decode"),
        (b"[" * 9999, "decode"),
        (b"", "empty"),
    ],
)
def test_an_answer_without_scores_is_an_error(body: Any, error: str) -> None:
    made = answered(COHERE, body)
    assert made.error_class == error
    assert made.scores == ()


def test_similarities_of_vectors_in_any_order_and_spelling() -> None:
    packed = base64.b64encode(struct.pack("<2f", 0.0, 2.0)).decode()
    data = [
        {"index": 1, "embedding": [1.0, 1.0]},
        {"index": 2, "embedding": packed},
        {"index": 0, "embedding": [3, 0]},
        {"index": 3, "embedding": [0.0, 0.0]},
        {"index": 4, "embedding": [1.0]},
        {"index": 5, "embedding": "?"},
    ]
    near = similarities(data)
    assert near[:2] == pytest.approx((math.sqrt(0.5), 0.0))
    assert all(map(math.isnan, near[2:]))
    assert similarities([]) == ()


def test_embeddings_say_how_many_texts_they_are_of() -> None:
    made = answered(EMBEDDINGS, {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}]})
    assert (made.texts, len(made.vectors), made.error_class) == (2, 2, None)
    chat = answered(OpenAiPredictor("http://h/v1/completions", stream=False), {"choices": [{"text": "hi"}]})
    assert (chat.texts, chat.scores) == (None, ())


def test_a_missing_vector_moves_none_of_the_others() -> None:
    query, last = {"index": 0, "embedding": [1.0, 0.0]}, {"index": 2, "embedding": [1.0, 0.0]}
    for data in ([query, last], [last, query], [query, {"index": 1, "embedding": None}, last]):
        missing, there = similarities(data)
        assert math.isnan(missing)
        assert there == pytest.approx(1.0)
    bare = [{"embedding": [1.0]}, "?", {"embedding": [1.0]}]  # by their places
    assert math.isnan(similarities(bare)[0])
    assert similarities(bare)[1] == pytest.approx(1.0)
