"""Prompts that are made: `datasets.synthetic`, each entry a source of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from fmbench_lib.data.sources.base import Reader, Row, Source, SourceRequest, SyntheticRequest
from fmbench_lib.data.synthetic_texts import SyntheticTexts
from fmbench_lib.errors import DataError

TEMPLATE = "{prompt}"
"""The template of these rows: their text alone."""
DRAWN = "drawn"
"""The column that says how a row was made."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """How a prompt was made: by which number, with how many tokens, for which payload file, and the tokens that its
    answer is to have, None where that is not said."""

    number: int
    tokens: int
    payload_file: str
    output_tokens: int | None


def open_prompts(request: SourceRequest) -> Source:
    """As many prompts as asked for, each of its own length. Raises DataError without `datasets.synthetic`."""
    synthetic = request.synthetic
    if synthetic is None:
        raise DataError(f"source {request.name}: write datasets.synthetic: {{input_tokens: 1000}} in place of a source")
    return Source(f"synthetic prompts for {synthetic.payload_file}", partial(_rows, synthetic, request.max_rows))


READER = Reader(reads_files=False, open=open_prompts)


def texts_for(request: SyntheticRequest) -> SyntheticTexts:
    """The texts of an entry by their number."""
    return SyntheticTexts(
        request.tokenizer, f"{request.seed}/{request.entry}", shared_prefix_tokens=request.shared_prefix_tokens
    )


def _rows(request: SyntheticRequest, count: int) -> Iterator[tuple[str, Row]]:
    lengths, shared = request.input_tokens, request.shared_prefix_tokens
    if shared and shared >= lengths.low:
        raise DataError(
            f"datasets.synthetic: shared_prefix_tokens is {shared}, and the shortest prompt has {lengths.low} tokens; "
            "write fewer, since each prompt needs tokens of its own"
        )
    texts = texts_for(request)
    generator = random.Random(f"{request.seed}/{request.entry}/lengths")
    for number in range(count):
        tokens = lengths.length(number, generator)
        output = None if request.output_tokens is None else request.output_tokens.length(number, generator)
        drawn = Drawn(number, tokens, request.payload_file, output)
        row: Row = {"prompt": texts.text(number, tokens), "language": "en", DRAWN: drawn}
        yield f"prompt {number + 1} for {request.payload_file}", row
