"""Embeddings of texts, from an endpoint or from sentence-transformers, and the similarities of answers by them."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.evaluation.asking.embedding_spending import Embedded, EmbeddingSpending
from fmbench_lib.evaluation.asking.judge import Judge
from fmbench_lib.evaluation.asking.retries import RETRIED, pause_before
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


@dataclass(frozen=True, slots=True)
class Embedding:
    """What embeds texts. `identity` is what the vectors depend on."""

    identity: str
    embed: Embed


def endpoint_embedding(
    endpoint: Judge,
    identity: str,
    attempts: int,
    spending: EmbeddingSpending,
    pause: Callable[[float], object] = time.sleep,
) -> Embedding:
    """Embedding by an endpoint: one request for each text, repeated as those to judges are, `attempts` at most.

    What requests take is kept by `spending`, whose ceiling is never exceeded: a text that it has no room for has no
    vector. `pause` waits so many seconds before requests are repeated.
    """

    def embed(texts: Sequence[str]) -> Vectors:
        vectors: Vectors = [None] * len(texts)
        waiting = list(range(len(texts)))
        for tries in range(attempts):
            waiting = waiting[: spending.room_for([texts[index] for index in waiting])]
            if not waiting:
                break
            if tries:
                pause(pause_before(tries))
            asked = [texts[index] for index in waiting]
            with spending.round_of(asked) as ended:
                ended.update(_asked(endpoint, asked))
            for number, answer in ended.items():
                vectors[waiting[number]] = answer.vector
            waiting = [waiting[number] for number, answer in sorted(ended.items()) if answer.error in RETRIED]
        return vectors

    return Embedding(identity, embed)


def _asked(endpoint: Judge, texts: Sequence[str]) -> dict[int, Embedded]:
    """What came of one request for each text, by the number of the text."""
    count = len(texts)
    load = LoadSettings(timeout=endpoint.timeout, workers=1, stop_on_error_rate=None, ca_bundle=endpoint.ca_bundle)
    stop, measured = StopRule(requests=count), tuple(range(count))
    level = Level(
        endpoint.urls,
        (),
        measured,
        "embedding",
        load,
        stop,
        concurrency=min(endpoint.concurrency, count),
        level_id=f"embedding-{uuid.uuid4().hex[:12]}",
    )
    with tempfile.TemporaryDirectory(prefix="fmbench-embedding-") as folder:
        run = run_level(level, (endpoint.plain.encode(text) for text in texts), Path(folder))
        return {
            exchange.prompt: _answer(endpoint, exchange)
            for worker in run.workers
            for _, exchange in read_spool(worker.spool)
        }


def local_embedding(model: str) -> Embedding | None:
    """Embedding by a model of sentence-transformers on this machine; None where that is not installed.

    The model is loaded when the first text is embedded.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        return None

    @lru_cache(maxsize=1)
    def loaded() -> Any:
        from sentence_transformers import SentenceTransformer

        return SentenceTransformer(model)

    identity = json.dumps(["sentence-transformers", version("sentence-transformers"), model])
    return Embedding(identity, lambda texts: [list(map(float, each)) for each in loaded().encode(list(texts))])


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
    """The greatest similarity; None where a vector is missing, as that text might be the nearest."""
    known = [other for other in others if other is not None]
    if vector is None or len(known) < len(others):
        return None
    return max((value for other in known if (value := cosine(vector, other)) is not None), default=None)


def _answer(endpoint: Judge, exchange: Spooled) -> Embedded:
    completion, response = decode(exchange, endpoint.plain)
    seconds = None if exchange.sent_ns is None else (exchange.end_ns - exchange.sent_ns) / 1e9
    if response is None or completion.error_class is not None:
        return Embedded(completion.error_class, completion.error_message, seconds=seconds)
    vector = vector_of(bytes(response.body))
    return Embedded(None, None, vector, completion.prompt_tokens, seconds)
