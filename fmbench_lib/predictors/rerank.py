"""Rerank endpoints: a query and documents in one request, a score of relevance for each document in the answer.

Cohere, Jina, vLLM and many others take `query` and `documents` and answer with `results` of `index` and
`relevance_score`. Text Embeddings Inference takes `query` and `texts` and answers with a list of `index` and `score`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fmbench_lib.predictors.answer import Answer, decoded, json_request, text
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse, Sent
from fmbench_lib.predictors.usage import take_usage
from fmbench_lib.predictors.vector_similarity import NAN

if TYPE_CHECKING:  # decoding processes need no schema
    from fmbench_lib.config.schema.experiment import Experiment

_MOST_DOCUMENTS = 100_000


@dataclass(frozen=True, slots=True)
class RerankPredictor:
    """Codec for one address; `documents_key` is what the server calls the documents."""

    url: str
    documents_key: str
    model: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    api_key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def generates_nothing(self) -> bool:
        """Answers are scores."""
        return True

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        """The prompt as a query with itself as the only document: what tells whether the endpoint answers."""
        return self.encode_documents(prompt, [prompt])

    def takes_documents(self) -> bool:
        """It does."""
        return True

    def encode_documents(self, query: str, documents: Sequence[str]) -> HttpRequest:
        """A POST of the query and all documents."""
        named = {} if self.model is None or self.documents_key == "texts" else {"model": self.model}
        body = {**named, "query": query, self.documents_key: list(documents), **self.parameters}
        return json_request(self.url, body, self.headers, self.api_key, "application/json")

    def decode(self, response: HttpResponse) -> Completion:
        """The scores in the order of the documents, with the server's usage."""
        return decoded(response, False, _read)


def _read(response: HttpResponse, answer: Answer) -> None:
    if not response.complete:
        return
    message = json.loads(response.body)
    if isinstance(message, dict):
        if answer.failed_by(message):
            return
        answer.response_id = text(message.get("id")) or None
        take_usage(message.get("usage"), answer)
        _take_meta(message.get("meta"), answer)
        message = message.get("results")
    if not isinstance(message, list):
        raise ValueError("neither a list of scores nor an object with `results`")
    if message:
        answer.add_scores(_scores(message), len(response.body))


def _take_meta(meta: Any, answer: Answer) -> None:
    """Cohere's count of tokens."""
    tokens = meta.get("tokens") if isinstance(meta, dict) else None
    if isinstance(tokens, dict):
        answer.add_counts(prompt_tokens=tokens.get("input_tokens"))


def _scores(results: Sequence[Any]) -> tuple[float, ...]:
    """The scores by the index of their document; NaN for one that the server left out."""
    found: dict[int, float] = {}
    for result in results:
        index = result.get("index") if isinstance(result, dict) else None
        score: Any = None if index is None else result.get("relevance_score", result.get("score"))
        if type(index) is not int or not 0 <= index < _MOST_DOCUMENTS or type(score) not in (int, float):
            raise ValueError(f"expected an index and a score, not {json.dumps(result)[:80]}")
        found[index] = float(score)
    return tuple(found.get(index, NAN) for index in range(max(found) + 1))


def make(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> RerankPredictor:
    """The codec of one address of Cohere's form."""
    return RerankPredictor(url, "documents", model, sent.parameters, sent.api_key, sent.headers)


def make_tei(experiment: Experiment, url: str, model: str | None, stream: bool, sent: Sent) -> RerankPredictor:
    """The codec of one address of Text Embeddings Inference."""
    return RerankPredictor(url, "texts", model, sent.parameters, sent.api_key, sent.headers)
