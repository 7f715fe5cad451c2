"""Embeddings of texts, from an endpoint or from sentence-transformers, and the similarities of answers by them."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.evaluation.asking.judge import Judge
from fmbench_lib.evaluation.given_answers import Answer
from fmbench_lib.evaluation.scores.similarity import cosine, vector_of
from fmbench_lib.load.recording.recorder import decode
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.spool import Spooled, read_spool

LONGEST = 20_000
"""Characters of a text that is embedded."""

Vectors = list[list[float] | None]
Embed = Callable[[Sequence[str]], Vectors]
"""From texts to their vectors, None for a text without one."""


def endpoint_embedding(endpoint: Judge) -> Embed:
    """Embedding by an endpoint: one request for each text."""

    def embed(texts: Sequence[str]) -> Vectors:
        count = len(texts)
        load = LoadSettings(timeout=endpoint.timeout, workers=1, stop_on_error_rate=None, ca_bundle=endpoint.ca_bundle)
        stop, measured = StopRule(requests=count), tuple(range(count))
        level = Level(
            endpoint.urls, (), measured, "embedding", load, stop, concurrency=min(endpoint.concurrency, count)
        )
        vectors: Vectors = [None] * count
        with tempfile.TemporaryDirectory(prefix="fmbench-embedding-") as folder:
            run = run_level(level, (endpoint.plain.encode(text) for text in texts), Path(folder))
            for worker in run.workers:
                for _, exchange in read_spool(worker.spool):
                    vectors[exchange.prompt] = _vector(endpoint, exchange)
        return vectors

    return embed


def local_embedding(model: str) -> Embed | None:
    """Embedding by a model of sentence-transformers on this machine; None where that is not installed."""
    if importlib.util.find_spec("sentence_transformers") is None:
        return None
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model)
    return lambda texts: [list(map(float, vector)) for vector in loaded.encode(list(texts))]


def similarities(embed: Embed, answers: Sequence[Answer]) -> list[float | None]:
    """The similarity of each answer to the acceptable one that is nearest, or without any to its context."""
    wanted = [[each.text, *(each.truths or (each.context,))] for each in answers]
    texts = list(dict.fromkeys(text[:LONGEST] for group in wanted for text in group if text.strip()))
    vectors = dict(zip(texts, embed(texts), strict=True)) if texts else {}
    return [
        _nearest(vectors.get(text[:LONGEST]), [vectors.get(each[:LONGEST]) for each in others])
        for text, *others in wanted
    ]


def _nearest(vector: list[float] | None, others: Sequence[list[float] | None]) -> float | None:
    found = [cosine(vector, other) for other in others if vector is not None and other is not None]
    return max((value for value in found if value is not None), default=None)


def _vector(endpoint: Judge, exchange: Spooled) -> list[float] | None:
    completion, response = decode(exchange, endpoint.plain)
    failed = response is None or completion.error_class is not None
    return None if failed or response is None else vector_of(bytes(response.body))
