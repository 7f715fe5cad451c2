"""The answers of a run: each distinct one once, and where it was given.

Levels are read one by one and distinct answers written as they come, so that memory does not grow with their texts.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from fmbench_lib.evaluation.scores.answer_kinds import Kind, kind_of
from fmbench_lib.host.atomic_files import replacing
from fmbench_lib.images import without_images
from fmbench_lib.workspace import LevelKey

BATCH = 500
_COLUMNS = ("prompt_id", "completion", "finish_reason", "error")
_SCHEMA = pa.schema(
    [
        ("answer_id", pa.string()),
        ("payload_file", pa.string()),
        ("prompt_id", pa.string()),
        ("question", pa.string()),
        ("truths", pa.list_(pa.string())),
        ("context", pa.string()),
        ("text", pa.string()),
        ("kind", pa.string()),
    ]
)

PromptRows = Mapping[str, Mapping[str, Any]]
"""Rows of a payload file by prompt id."""


class PromptFile(Mapping[str, Mapping[str, Any]]):
    """The rows of a payload file by prompt id, read as they are asked for: in memory is where each begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts: dict[str, int] = {}
        start = 0
        with path.open("rb") as file:
            for line in file:
                self._starts.setdefault(json.loads(line)["prompt_id"], start)
                start += len(line)

    def __getitem__(self, prompt_id: str) -> Mapping[str, Any]:
        with self._path.open("rb") as file:
            file.seek(self._starts[prompt_id])
            row: Mapping[str, Any] = json.loads(file.readline())
        return row

    def __contains__(self, prompt_id: object) -> bool:
        return prompt_id in self._starts

    def __iter__(self) -> Iterator[str]:
        return iter(self._starts)

    def __len__(self) -> int:
        return len(self._starts)


@dataclass(frozen=True, slots=True)
class Answer:
    """A distinct answer to a prompt. `context` is the prompt as it was sent, `truths` every acceptable answer."""

    answer_id: str
    payload_file: str
    prompt_id: str
    question: str
    truths: tuple[str, ...]
    context: str
    text: str
    kind: str


class AnswerRow(TypedDict):
    """A distinct answer in the file; `truths` is every acceptable one."""

    answer_id: str
    payload_file: str
    prompt_id: str
    question: str
    truths: list[str]
    context: str
    text: str
    kind: str


class MeasuredRecord(TypedDict, total=False):
    """A request record: of these columns those that were asked for, and its phase."""

    phase: str
    prompt_id: str
    completion: str | None
    finish_reason: str | None
    error: str | None


class Given(NamedTuple):
    """Where an answer was given: one request. `answer_id` is None where the request failed."""

    experiment_name: str
    payload_file: str
    load: str
    prompt_id: str
    answer_id: str | None
    kind: Kind


def collect_answers(
    levels: Iterable[tuple[LevelKey, Path]],
    prompts_of: Callable[[str], PromptRows],
    wanted: Callable[[LevelKey, str], bool],
    target: Path,
) -> list[Given]:
    """Write each distinct answer of the levels to `target`; returns where they were given, in the order of the levels.

    `wanted` chooses questions, by level and prompt id. Of a prompt that a level sent more than once, the first
    answer counts.
    """
    given: list[Given] = []
    seen: set[str] = set()
    with replacing(target) as part, pq.ParquetWriter(part, _SCHEMA, compression="zstd") as writer:
        for key, path in levels:
            rows = prompts_of(key.payload_file)
            new: list[AnswerRow] = []
            for record in _first_of_each(path):
                if not wanted(key, record["prompt_id"]) or record["prompt_id"] not in rows:
                    continue
                kind = kind_of(record["completion"], record["finish_reason"], record["error"])
                text = record["completion"] or ""
                answer_id = None if kind == "failed" else answer_id_of(record["prompt_id"], text)
                given.append(Given(*key, record["prompt_id"], answer_id, kind))
                if answer_id is not None and answer_id not in seen:
                    seen.add(answer_id)
                    new.append(_row(answer_id, key.payload_file, rows[record["prompt_id"]], text, kind))
                if len(new) >= BATCH:
                    writer.write_table(pa.Table.from_pylist(new, schema=_SCHEMA))
                    new = []
            if new:
                writer.write_table(pa.Table.from_pylist(new, schema=_SCHEMA))
    return given


def read_answers(path: Path, batch: int = BATCH) -> Iterator[list[Answer]]:
    """The distinct answers, in batches."""
    with pq.ParquetFile(path) as file:
        for group in file.iter_batches(batch):
            yield [Answer(**{**row, "truths": tuple(row["truths"] or ())}) for row in group.to_pylist()]


def one_answer_of(given: Iterable[Given]) -> list[Given]:
    """The first answer of each experiment to each question, so that no question counts twice; a failed request counts
    only where there is no answer."""
    first: dict[tuple[str, str, str], Given] = {}
    for each in given:
        key = (each.experiment_name, each.payload_file, each.prompt_id)
        if key not in first or (first[key].kind == "failed" and each.kind != "failed"):
            first[key] = each
    return list(first.values())


def answered_prompts(path: Path) -> set[str]:
    """The prompts of a level that were answered."""
    return {row["prompt_id"] for row in _measured(path, ["prompt_id", "error"]) if row["error"] is None}


def answer_id_of(prompt_id: str, text: str) -> str:
    """An answer's id, from its prompt and its text."""
    return hashlib.sha256(f"{prompt_id}\0{text}".encode(errors="surrogatepass")).hexdigest()[:16]


def truths_in(value: Any) -> tuple[str, ...]:
    """Every acceptable answer in a cell: a text, a number, a list of them, or the text of a list, as JSON or as Python
    prints it; empty ones and NaN are none."""
    if isinstance(value, str) and value.strip().startswith("["):
        value = _list_in(value)
    values = value if isinstance(value, list | tuple) else [value]
    known = [each for each in values if each is not None and each == each]  # NaN is not itself
    texts = [each if isinstance(each, str) else json.dumps(each) for each in known]
    return tuple(dict.fromkeys(text for text in texts if text.strip()))


def _list_in(text: str) -> Any:
    """The list that a text spells, the text where it spells none."""
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            value = read(text.strip())
            if all(each is None or isinstance(each, str | int | float | dict | list) for each in value):
                return value
    return text


def same_questions(
    answered: Mapping[str, Mapping[str, set[str]]], count: int | None, seed: int
) -> dict[str, dict[str, set[str]]]:
    """Of the questions that each experiment has answered, by payload file, so many in all, from each file in proportion
    to its own; all without a count.

    They are the same for all experiments: those come first that all have answered that had the file, and which ones
    depends on the seed and the questions alone. Where these are too few, an experiment has others of its own as well.
    """
    files = {
        name: [found[name] for found in answered.values() if name in found]
        for found in answered.values()
        for name in found
    }
    quota = _quotas({name: len(set.union(*ids)) for name, ids in files.items()}, count)
    shared = {name: set.intersection(*ids) for name, ids in files.items()}
    return {
        experiment: {
            name: set(sorted(ids, key=lambda each: (each not in shared[name], _draw(seed, each)))[: quota[name]])
            for name, ids in found.items()
        }
        for experiment, found in answered.items()
    }


def _quotas(sizes: Mapping[str, int], count: int | None) -> dict[str, int]:
    """The count dealt out in proportion to the sizes, by largest remainders."""
    total = sum(sizes.values())
    if count is None or count >= total:
        return dict(sizes)
    exact = {name: count * size / total for name, size in sizes.items()}
    quota = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (quota[name] - exact[name], name))
    for name in by_remainder[: count - sum(quota.values())]:
        quota[name] += 1
    return quota


def _draw(seed: int, prompt_id: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{prompt_id}".encode()).digest()


def _first_of_each(path: Path) -> Iterator[MeasuredRecord]:
    """The measured records of a level, the first answered one of each prompt, in the order of the records; only some
    are in memory at any time."""
    chosen: dict[str, tuple[int, bool]] = {}
    for number, record in enumerate(_measured(path, ["prompt_id", "error"])):
        earlier = chosen.get(record["prompt_id"])
        if earlier is None or (not earlier[1] and record["error"] is None):
            chosen[record["prompt_id"]] = number, record["error"] is None
    numbers = {number for number, _ in chosen.values()}
    yield from (record for number, record in enumerate(_measured(path, _COLUMNS)) if number in numbers)


def _measured(path: Path, columns: Sequence[str]) -> Iterator[MeasuredRecord]:
    """These columns of a level's measured records, in order."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH, columns=["phase", *columns]):
            yield from (record for record in batch.to_pylist() if record["phase"] == "measured")


def _row(answer_id: str, payload_file: str, prompt: Mapping[str, Any], text: str, kind: str) -> AnswerRow:
    context = without_images(prompt["prompt"])
    return {
        "answer_id": answer_id,
        "payload_file": payload_file,
        "prompt_id": prompt["prompt_id"],
        "question": prompt.get("question") or context,
        "truths": list(truths_in(prompt.get("ground_truth"))),
        "context": context,
        "text": text,
        "kind": kind,
    }
