"""From rows to payload files: prompts, deduplicated, counted in tokens, selected by language and length, shuffled."""

from __future__ import annotations

import difflib
import hashlib
import json
import random
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from fmbench_lib.config import Filter
from fmbench_lib.data.batches import RankedColumns, batched
from fmbench_lib.data.conversations import COLUMNS as CONVERSATION_COLUMNS
from fmbench_lib.data.conversations import Message, as_text, is_conversation, messages_of_cell
from fmbench_lib.data.counted_prompts import counted
from fmbench_lib.data.image_cells import image_of_cell
from fmbench_lib.data.sources.base import Row, Source
from fmbench_lib.data.sources.synthetic_prompts import DRAWN, Drawn
from fmbench_lib.data.templates import Template, make_template
from fmbench_lib.data.text_checks import half_character
from fmbench_lib.data.tokenizers import Tokenizer
from fmbench_lib.errors import DataError
from fmbench_lib.host.task_pool import TaskPool, ThisProcess


class PromptRow(TypedDict):
    """One prompt of a payload file. `language` is empty where the rows have no such column.

    A synthetic prompt has the number that it was made by, and the tokens that its answer is to have, where the config
    says so.
    `messages` are those of a conversation, of which `prompt` is the text; absent where the prompt is a single message,
    and then `single_message` is true if that was a conversation in the data.
    `texts` are embedded with one request; `documents` are ranked for the prompt, and `relevance` is what their ranking
    is compared with.
    """

    prompt_id: str
    prompt: str
    prompt_tokens: int
    language: str
    source: str
    question: str | None
    ground_truth: Any
    number: NotRequired[int]
    output_tokens: NotRequired[int]
    messages: NotRequired[list[Message]]
    single_message: NotRequired[bool]
    texts: NotRequired[list[str]]
    documents: NotRequired[list[str]]
    relevance: NotRequired[list[float]]


class PayloadCount(TypedDict):
    """The size of a payload file: its prompts, and the mean, least and greatest number of tokens of one."""

    payload_file: str
    prompts: int
    prompt_tokens_mean: float
    prompt_tokens_min: int
    prompt_tokens_max: int


class SourceTally(TypedDict):
    """What became of a source's rows; a duplicate is a prompt that was read before, and a row without an image is left
    out where there is a column of images."""

    source: str
    rows: int
    duplicates: int
    rows_without_language: int
    rows_without_image: int


@dataclass(frozen=True, slots=True)
class PayloadSet:
    """The payload files by name, and what became of the rows. `notices` are lines to show to the user."""

    files: dict[str, list[PromptRow]]
    counts: list[PayloadCount]
    sources: list[SourceTally]
    tokenizer: str
    is_estimate: bool
    notices: tuple[str, ...]


def prompt_id(prompt: str) -> str:
    """A prompt's id: the first 64 bits of its SHA-256 in hex, so that it is the same in every run and file."""
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
    documents_column: str | None = None,
    relevance_column: str | None = None,
    wanted_files: Collection[str] | None = None,
    pool: TaskPool | None = None,
) -> PayloadSet:
    """The payload files that `filters` select from the sources' prompts, `min <= tokens < max`.

    A prompt that was read before is dropped. Each file's order depends on its prompts and `seed` alone: neither on the
    order of the sources nor on the other files. Rows without a `language` match a filter of any language. Filters that
    name the same payload file fill it together. The image of `image_column` is put where the template has that column,
    else behind the text, as a data URL; it counts no tokens, and a row without one is left out. Where the template is
    one column and nothing else, and that holds a conversation, its messages are the prompt, counted by their contents.
    `wanted_files` are the payload files that experiments use, all by default: a filter of another one that no prompt
    matches is a notice. A filter with `texts_per_request` has so many prompts sent together. The documents of
    `documents_column` are ranked for the prompt; their tokens count as the prompt's. `pool` counts them, this process
    without one.

    Raises DataError for rows that cannot be read, for a missing column, and for a filter of a wanted file that no
    prompt matches (with the lengths of the prompts); TemplateError for a template that uses none of its keys.
    """
    made = make_template(template, template_keys, constant=image_column is not None)
    ranked = RankedColumns(documents_column, relevance_column)
    prompts = _Prompts(made, question_column, ground_truth_column, image_column, ranked)
    chosen: dict[str, dict[str, PromptRow]] = {wanted.payload_file: {} for wanted in filters}
    matched: set[int] = set()
    for row in counted(prompts.read(sources), tokenizer, pool or ThisProcess()):
        prompts.lengths.setdefault(row["language"], []).append(row["prompt_tokens"])
        for number, wanted in enumerate(filters):
            if prompts.is_in(row, wanted):
                matched.add(number)
                chosen[wanted.payload_file][row["prompt_id"]] = row
    notices = list(prompts.notices())
    if not prompts.lengths and prompts.empty:
        raise DataError("; ".join(notices) + ": there is no prompt to send")
    for wanted in (wanted for number, wanted in enumerate(filters) if number not in matched):
        message = _no_match(wanted, prompts.lengths)
        if wanted_files is None or wanted.payload_file in wanted_files:
            raise DataError(message)
        notices.append(f"{message}; no experiment uses it")
    shuffled = {name: _shuffled(rows, seed) for name, rows in chosen.items() if rows}
    files = {name: batched(name, rows, filters, prompt_id) for name, rows in shuffled.items()}
    return PayloadSet(
        files=files,
        counts=[_count(name, rows) for name, rows in files.items()],
        sources=prompts.tallies,
        tokenizer=tokenizer.name,
        is_estimate=tokenizer.is_estimate,
        notices=tuple(notices),
    )


@dataclass(slots=True)
class _Prompts:
    """Reads each distinct prompt once and tallies the rows."""

    template: Template
    question_column: str | None
    ground_truth_column: str | None
    image_column: str | None = None
    ranked: RankedColumns = field(default_factory=RankedColumns)
    tallies: list[SourceTally] = field(default_factory=list)
    lengths: dict[str, list[int]] = field(default_factory=dict)
    empty: Counter[str] = field(default_factory=Counter)
    """Rows without a prompt, by their source."""
    _seen: set[str] = field(default_factory=set)
    _file_of: dict[str, str] = field(default_factory=dict)

    def read(self, sources: Iterable[Source]) -> Iterator[PromptRow]:
        """The prompts of the sources, in order, before their tokens are counted."""
        for source in sources:
            tally = SourceTally(
                source=source.origin, rows=0, duplicates=0, rows_without_language=0, rows_without_image=0
            )
            self.tallies.append(tally)
            for location, row in source.read():
                prompt = self._prompt(location, row, source)
                tally["rows"] += 1
                if prompt is not None and not prompt["prompt"].strip():
                    self.empty[source.origin] += 1
                    continue
                if prompt is None:
                    tally["rows_without_image"] += 1
                    continue
                tally["rows_without_language"] += prompt["language"] == ""
                if prompt["prompt_id"] in self._seen:
                    tally["duplicates"] += 1
                    continue
                self._seen.add(prompt["prompt_id"])
                yield prompt

    def is_in(self, row: PromptRow, wanted: Filter) -> bool:
        """Whether a prompt belongs to the payload file of a filter; a synthetic one is made for one file."""
        made_for = self._file_of.get(row["prompt_id"])
        return _fits(row, wanted) if made_for is None else wanted.payload_file == made_for

    def _prompt(self, location: str, row: Row, source: Source) -> PromptRow | None:
        """The prompt of a row; None where the row has no image, though it should have one."""
        wanted = [
            *self.template.keys,
            self.question_column,
            self.ground_truth_column,
            self.image_column,
            *self.ranked.columns,
        ]
        for column in wanted:
            if column is not None and column not in row:
                raise DataError(_no_column(column, row, location))
        messages = self._messages(location, row)
        text = as_text(messages) if messages is not None else self._text(location, row, source)
        if text is None:
            return None
        half = half_character({name: row[name] for name in wanted if name is not None} | {"prompt": text})
        if half is not None:
            raise DataError(f"{location}: {half}, which nothing can send; write whole characters, or leave the row out")
        question = row[self.question_column] if self.question_column is not None else None
        is_plain = messages is None or (len(messages) == 1 and messages[0] == {"role": "user", "content": text})
        made = PromptRow(
            prompt_id=prompt_id(text if is_plain else json.dumps(messages, sort_keys=True)),
            prompt=text,
            prompt_tokens=0,
            language=str(row.get("language") or "").strip(),
            source=source.origin,
            question=question if question is None else str(question),
            ground_truth=row[self.ground_truth_column] if self.ground_truth_column is not None else None,
        )
        made |= self.ranked.cells(location, row)  # type: ignore[typeddict-item]
        drawn = row.get(DRAWN)
        if isinstance(drawn, Drawn):
            return self._drawn(made, drawn)
        if messages is not None:
            made |= {"single_message": True} if is_plain else {"messages": messages}
        return made

    def _drawn(self, prompt: PromptRow, drawn: Drawn) -> PromptRow:
        """A synthetic prompt, whose tokens were counted when it was made."""
        self._file_of[prompt["prompt_id"]] = drawn.payload_file
        prompt |= {"prompt_tokens": drawn.tokens, "number": drawn.number}
        return prompt if drawn.output_tokens is None else prompt | {"output_tokens": drawn.output_tokens}

    def _messages(self, location: str, row: Row) -> list[Message] | None:
        """The messages of a row whose prompt is a column with a conversation; None for any other."""
        column = self.template.only_key
        if column is None or not (is_conversation(row[column]) or column in CONVERSATION_COLUMNS):
            return None
        try:
            return messages_of_cell(row[column])
        except ValueError as error:
            raise DataError(f"{location}, column {column}: {error}") from None

    def _text(self, location: str, row: Row, source: Source) -> str | None:
        if self.image_column is None:
            return self.template.render(row)
        try:
            image = image_of_cell(row[self.image_column], source.folder)
        except ValueError as error:
            raise DataError(
                f"{location}: no image in column {self.image_column} (datasets.image_col): {error}"
            ) from None
        if not image:
            return None
        text = self.template.render({**row, self.image_column: image})
        return text if image in text else f"{text}\n{image}"

    def notices(self) -> Iterator[str]:
        """Lines on these sources and this template to show to the user."""
        for tally in self.tallies:
            if self.empty[tally["source"]]:
                missing = self.empty[tally["source"]]
                yield f"{tally['source']}: {missing} of {tally['rows']} rows have no prompt and are left out"
            if tally["rows_without_language"]:
                some = "" if tally["rows_without_language"] == tally["rows"] else f"{tally['rows_without_language']} "
                yield f"{tally['source']}: {some}rows without a language match filters of any language"
            if tally["rows_without_image"]:
                yield (
                    f"{tally['source']}: {tally['rows_without_image']} of {tally['rows']} rows have no image in column "
                    f"{self.image_column} and are left out"
                )
        for key in self.template.unused_keys:
            yield f"the prompt template has no {{{key}}}, so that key of datasets.prompt_template_keys has no effect"


def _fits(row: PromptRow, wanted: Filter) -> bool:
    language_fits = not row["language"] or row["language"].casefold() == wanted.language.casefold()
    return language_fits and wanted.min_length_in_tokens <= row["prompt_tokens"] < wanted.max_length_in_tokens


def _shuffled(rows: Mapping[str, PromptRow], seed: int) -> list[PromptRow]:
    ordered = [rows[key] for key in sorted(rows)]
    random.Random(seed).shuffle(ordered)
    return ordered


def _count(payload_file: str, rows: Sequence[PromptRow]) -> PayloadCount:
    tokens = [row["prompt_tokens"] for row in rows]
    return {
        "payload_file": payload_file,
        "prompts": len(rows),
        "prompt_tokens_mean": statistics.fmean(tokens),
        "prompt_tokens_min": min(tokens),
        "prompt_tokens_max": max(tokens),
    }


def _no_column(column: str, row: Row, location: str) -> str:
    near = difflib.get_close_matches(column, map(str, row), 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return (
        f"{location}: no column {column} (the prompt template or a key of datasets names it); the columns are: "
        + (", ".join(map(str, row)) or "none")
        + hint
    )


def _no_match(wanted: Filter, lengths: Mapping[str, list[int]]) -> str:
    least, most = wanted.min_length_in_tokens, wanted.max_length_in_tokens
    actual = "; ".join(_lengths(language, lengths[language]) for language in sorted(lengths)) or "no prompt at all"
    return (
        f"datasets.filters, {wanted.payload_file}: no prompt of language {wanted.language} has {least} <= tokens < "
        f"{most}; the data has {actual}"
    )


def _lengths(language: str, tokens: list[int]) -> str:
    whose = f"of language {language} " if language else ""
    if len(tokens) == 1:
        return f"1 prompt {whose}with {tokens[0]} token{'' if tokens[0] == 1 else 's'}"
    quartiles = ", ".join(f"{value:.0f}" for value in statistics.quantiles(tokens, n=4, method="inclusive"))
    return f"{len(tokens)} prompts {whose}with {min(tokens)} to {max(tokens)} tokens (quartiles {quartiles})"
