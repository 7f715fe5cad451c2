"""The scores of every distinct answer that need no judge.

They are kept from one evaluation to the next: those of texts by the texts, by what computes them, and by the JSON
Schema; similarities by the texts and by what embeds them.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fmbench_lib.evaluation.asking.embedding import Embedding, similarities
from fmbench_lib.evaluation.given_answers import Answer, read_answers
from fmbench_lib.evaluation.kept_rows import KeptRows, Numbers
from fmbench_lib.evaluation.scores import structured_output
from fmbench_lib.evaluation.scores.structured_output import matches_schema, numeric_match, parsed_json
from fmbench_lib.evaluation.scores.text_scores import SCORES, text_scores
from fmbench_lib.host.atomic_files import replacing
from fmbench_lib.host.task_pool import TaskPool, ThisProcess

SIMILARITY = "cosine_similarity"
_OF_TEXTS = (*SCORES, "numeric_match", "json_valid", "schema_valid")
SCORE_NAMES = (*_OF_TEXTS, SIMILARITY)
_SCHEMA = pa.schema([("answer_id", pa.string()), ("against", pa.string()), *((n, pa.float64()) for n in SCORE_NAMES)])
_LIBRARIES = ("rouge-score", "sacrebleu", "rapidfuzz", "jsonschema")
_KEPT = "scores-"
_TASK = 20
"""Answers that are scored together: of long ones, half a second each."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How answers are scored. `embedding` is None without similarities, `schema` without a JSON Schema that answers
    should satisfy."""

    embedding: Embedding | None = None
    schema: Mapping[str, Any] | None = None


def write_scores(scoring: Scoring, answers: Path, target: Path, pool: TaskPool | None = None) -> None:
    """Score every distinct answer: against the acceptable answers, without any against the context.

    What is not kept yet is computed, and kept beside `target`, batch by batch. What embeds texts is asked again where
    it gave no vector. `pool` compares texts, this process without one.
    """
    texts = KeptRows(target.parent / f"{_KEPT}{text_scores_id(scoring.schema)}", _OF_TEXTS)
    near = _kept_similarities(scoring.embedding, target.parent)
    with replacing(target) as part, pq.ParquetWriter(part, _SCHEMA) as writer:
        for batch in read_answers(answers):
            rows = _completed(texts, batch, lambda missing: score_texts(missing, scoring.schema, pool or ThisProcess()))
            found = rows if near is None else _with_similarities(near, scoring.embedding, batch, rows)
            named = [
                {"answer_id": answer.answer_id, "against": "ground truth" if answer.truths else "context", **row}
                for answer, row in zip(batch, found, strict=True)
            ]
            writer.write_table(pa.Table.from_pylist(named, schema=_SCHEMA))


def read_scores(path: Path) -> pd.DataFrame:
    """The scores of all distinct answers, by answer id."""
    frame: pd.DataFrame = pq.read_table(path).to_pandas()
    return frame.set_index("answer_id")


def text_scores_id(schema: Mapping[str, Any] | None) -> str:
    """Sixteen hexadecimal digits of what computes the scores of texts: the source of each, the versions of libraries,
    which may be missing, and the JSON Schema."""
    modules = {sys.modules[compare.__module__] for compare in SCORES.values()} | {structured_output}
    sources = sorted(inspect.getsource(module) for module in modules)
    return _digest(*SCORES, *sources, *map(_version, _LIBRARIES), json.dumps(schema, sort_keys=True))[:16]


def _kept_similarities(embedding: Embedding | None, folder: Path) -> KeptRows | None:
    if embedding is None:
        return None
    return KeptRows(folder / f"{_KEPT}{_digest(SIMILARITY, embedding.identity)[:16]}", [SIMILARITY])


def _with_similarities(
    kept: KeptRows, embedding: Embedding | None, batch: Sequence[Answer], rows: Sequence[Numbers]
) -> list[Numbers]:
    assert embedding is not None
    embed = embedding.embed
    found = _completed(kept, batch, lambda missing: [{SIMILARITY: value} for value in similarities(embed, missing)])
    return [{**row, **near} for row, near in zip(rows, found, strict=True)]


def _completed(
    kept: KeptRows, batch: Sequence[Answer], compute: Callable[[Sequence[Answer]], list[Numbers]]
) -> list[Numbers]:
    """The row of each answer: the kept one, else the computed one, which is kept unless it holds nothing."""
    keys = [_key(answer) for answer in batch]
    known = dict(zip(keys, kept.find(keys), strict=True))
    missing = {key: answer for key, answer in zip(keys, batch, strict=True) if known[key] is None}
    made = dict(zip(missing, compute(list(missing.values())), strict=True)) if missing else {}
    kept.keep({key: row for key, row in made.items() if any(value is not None for value in row.values())})
    return [known[key] or made[key] for key in keys]


def _key(answer: Answer) -> str:
    """What the scores of an answer depend on: its text, and what it is compared with."""
    against = answer.truths or ("", answer.context)
    return _digest("truths" if answer.truths else "context", answer.text, *against)[:32]


def score_texts(answers: Sequence[Answer], schema: Mapping[str, Any] | None, pool: TaskPool) -> list[Numbers]:
    """The scores of texts of each answer, computed by a pool."""
    tasks = [answers[start : start + _TASK] for start in range(0, len(answers), _TASK)]
    return [row for rows in pool.map(partial(_all_of_texts, schema=schema), tasks) for row in rows]


def _all_of_texts(answers: Sequence[Answer], schema: Mapping[str, Any] | None) -> list[Numbers]:
    return [_of_texts(answer, schema) for answer in answers]


def _of_texts(answer: Answer, schema: Mapping[str, Any] | None) -> Numbers:
    number = numeric_match(answer.text, answer.truths)
    matches = None if schema is None else matches_schema(answer.text, schema)
    return {
        **text_scores(answer.text, answer.truths or (answer.context,)),
        "numeric_match": None if number is None else float(number),
        "json_valid": float(parsed_json(answer.text)[0]),
        "schema_valid": None if matches is None else float(matches),
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def _digest(*parts: str) -> str:
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode(errors="surrogatepass")
        whole.update(f"{len(data)} ".encode() + data)
    return whole.hexdigest()
