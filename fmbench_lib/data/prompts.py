"""From rows to payload files: prompts, deduplicated, counted in tokens, cut by language and length, shuffled."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import random
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from fmbench_lib.config import Filter
from fmbench_lib.data.sources import Row, Source
from fmbench_lib.data.templates import Template, make_template, read_template
from fmbench_lib.data.tokenizers import Tokenizer
from fmbench_lib.errors import DataError
from fmbench_lib.images import data_url, without_images

__all__ = ["PayloadSet", "PromptRow", "Source", "generate_payloads", "prompt_id", "read_template"]

_BATCH = 256


class PromptRow(TypedDict):
    """One prompt of a payload file. `language` is empty where the rows have no such column."""

    prompt_id: str
    prompt: str
    prompt_tokens: int
    language: str
    source: str
    question: str | None
    ground_truth: Any


@dataclass(frozen=True, slots=True)
class PayloadSet:
    """The payload files by name, and what became of the rows.

    `counts` has one entry per payload file: its prompts and the mean, least and most of their tokens. `sources` has one
    per source: rows read and duplicates dropped. `notices` are lines that a person should see.
    """

    files: dict[str, list[PromptRow]]
    counts: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    tokenizer: str
    is_estimate: bool
    notices: tuple[str, ...]

    @property
    def rows_read(self) -> int:
        return sum(source["rows"] for source in self.sources)

    @property
    def duplicates_dropped(self) -> int:
        return sum(source["duplicates"] for source in self.sources)


def prompt_id(prompt: str) -> str:
    """A prompt's name: the first 64 bits of its SHA-256, so that it is the same in every run and file."""
    return hashlib.sha256(prompt.encode("utf-8", errors="surrogatepass")).hexdigest()[:16]


def generate_payloads(
    sources: Sequence[Source],
    *,
    template: str,
    template_keys: Sequence[str] | None,
    filters: Sequence[Filter],
    tokenizer: Tokenizer,
    seed: int,
    question_column: str | None = None,
    ground_truth_column: str | None = None,
    image_column: str | None = None,
) -> PayloadSet:
    """The payload files that `filters` cut from the sources' prompts, `min <= tokens < max`.

    A prompt that occurs again is dropped. Each file's order depends on its prompts and `seed` alone: neither on the
    order of the sources nor on the other files. A language is asked for only of sources whose rows have a `language`
    column. Filters that name the same payload file fill it together. The image of `image_column` stands behind the
    text, as a data URL, or where the template has that column; its length is not counted.

    Raises DataError for rows that cannot be read, for a column that isn't there, and for a filter that finds nothing
    (with the lengths that there are); TemplateError for a template that has no place for any key.
    """
    prompts = _Prompts(make_template(template, template_keys), question_column, ground_truth_column, image_column)
    chosen: dict[str, dict[str, PromptRow]] = {wanted.payload_file: {} for wanted in filters}
    found: set[int] = set()
    for row in _counted(prompts.read(sources), tokenizer):
        prompts.lengths.setdefault(row["language"], []).append(row["prompt_tokens"])
        for number, wanted in enumerate(filters):
            if _fits(row, wanted):
                found.add(number)
                chosen[wanted.payload_file][row["prompt_id"]] = row
    for number, wanted in enumerate(filters):
        if number not in found:
            raise DataError(_nothing_found(wanted, prompts.lengths))
    files = {name: _shuffled(rows, seed) for name, rows in chosen.items()}
    return PayloadSet(
        files=files,
        counts=[_count(name, rows) for name, rows in files.items()],
        sources=prompts.tallies,
        tokenizer=tokenizer.name,
        is_estimate=tokenizer.is_estimate,
        notices=tuple(prompts.notices()),
    )


@dataclass(slots=True)
class _Prompts:
    """Prompts as they are read, each once; keeps the tally of what went by."""

    template: Template
    question_column: str | None
    ground_truth_column: str | None
    image_column: str | None = None
    tallies: list[dict[str, Any]] = field(default_factory=list)
    lengths: dict[str, list[int]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def read(self, sources: Iterable[Source]) -> Iterator[PromptRow]:
        """The prompts of the sources in their order, not counted yet."""
        for source in sources:
            tally: dict[str, Any] = {"source": source.origin, "rows": 0, "duplicates": 0, "rows_without_language": 0}
            self.tallies.append(tally)
            for place, row in source.read():
                prompt = self._prompt(place, row, source)
                tally["rows"] += 1
                tally["rows_without_language"] += prompt["language"] == ""
                if prompt["prompt_id"] in self._seen:
                    tally["duplicates"] += 1
                    continue
                self._seen.add(prompt["prompt_id"])
                yield prompt

    def _prompt(self, place: str, row: Row, source: Source) -> PromptRow:
        wanted = [*self.template.keys, self.question_column, self.ground_truth_column, self.image_column]
        for column in wanted:
            if column is not None and column not in row:
                raise DataError(_no_column(column, row, place))
        text = self._text(place, row)
        question = row[self.question_column] if self.question_column is not None else None
        return PromptRow(
            prompt_id=prompt_id(text),
            prompt=text,
            prompt_tokens=0,
            language=str(row.get("language") or "").strip(),
            source=source.origin,
            question=question if question is None else str(question),
            ground_truth=row[self.ground_truth_column] if self.ground_truth_column is not None else None,
        )

    def _text(self, place: str, row: Row) -> str:
        if self.image_column is None:
            return self.template.render(row)
        try:
            image = data_url(row[self.image_column])
        except ValueError as error:
            raise DataError(f"{place}: no image in column {self.image_column} (datasets.image_col): {error}") from None
        text = self.template.render({**row, self.image_column: image})
        return text if not image or image in text else f"{text}\n{image}"

    def notices(self) -> Iterator[str]:
        """What a person should know of these sources and this template."""
        for tally in self.tallies:
            if tally["rows_without_language"]:
                some = "" if tally["rows_without_language"] == tally["rows"] else f"{tally['rows_without_language']} "
                yield f"{tally['source']}: {some}rows without a language were taken for any filter's language"
        for key in self.template.unused_keys:
            yield f"the prompt template has no {{{key}}}; that key of datasets.prompt_template_keys changes nothing"


def _counted(prompts: Iterator[PromptRow], tokenizer: Tokenizer) -> Iterator[PromptRow]:
    while batch := list(itertools.islice(prompts, _BATCH)):
        counts = tokenizer.count_many([without_images(row["prompt"]) for row in batch])
        for row, tokens in zip(batch, counts, strict=True):
            row["prompt_tokens"] = tokens
            yield row


def _fits(row: PromptRow, wanted: Filter) -> bool:
    speaks = not row["language"] or row["language"].casefold() == wanted.language.casefold()
    return speaks and wanted.min_length_in_tokens <= row["prompt_tokens"] < wanted.max_length_in_tokens


def _shuffled(rows: Mapping[str, PromptRow], seed: int) -> list[PromptRow]:
    ordered = [rows[key] for key in sorted(rows)]
    random.Random(seed).shuffle(ordered)
    return ordered


def _count(payload_file: str, rows: Sequence[PromptRow]) -> dict[str, Any]:
    tokens = [row["prompt_tokens"] for row in rows]
    return {
        "payload_file": payload_file,
        "prompts": len(rows),
        "prompt_tokens_mean": statistics.fmean(tokens),
        "prompt_tokens_min": min(tokens),
        "prompt_tokens_max": max(tokens),
    }


def _no_column(column: str, row: Row, place: str) -> str:
    near = difflib.get_close_matches(column, map(str, row), 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return (
        f"{place}: no column {column} (datasets.prompt_template_keys and others name columns); there are: "
        + (", ".join(map(str, row)) or "none")
        + hint
    )


def _nothing_found(wanted: Filter, lengths: Mapping[str, list[int]]) -> str:
    least, most = wanted.min_length_in_tokens, wanted.max_length_in_tokens
    there = "; ".join(_lengths(language, lengths[language]) for language in sorted(lengths)) or "no rows at all"
    return (
        f"datasets.filters, {wanted.payload_file}: no prompt of language {wanted.language} has {least} <= tokens < "
        f"{most}; the data has {there}"
    )


def _lengths(language: str, tokens: list[int]) -> str:
    whose = f"of language {language} " if language else ""
    if len(tokens) == 1:
        return f"1 prompt {whose}with {tokens[0]} token{'' if tokens[0] == 1 else 's'}"
    quartiles = ", ".join(f"{value:.0f}" for value in statistics.quantiles(tokens, n=4, method="inclusive"))
    return f"{len(tokens)} prompts {whose}with {min(tokens)} to {max(tokens)} tokens (quartiles {quartiles})"
