"""The prompts that `datasets.synthetic` asks for: how many, of which lengths, counted by which tokenizer."""

from __future__ import annotations

from collections.abc import Iterable

from fmbench_lib.config.schema.synthetic_section import Synthetic
from fmbench_lib.config.token_lengths import TRACE, TokenLengths, lengths_in_turn, parse_lengths
from fmbench_lib.data.sources.base import Source, SourceRequest, SyntheticRequest
from fmbench_lib.data.sources.readers import reader_for
from fmbench_lib.data.tokenizers import Tokenizer
from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.specs import all_levels, needed_prompts
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import trace_of

_FOR_A_LEVEL_OF_TIME = 1000
"""Prompts for a level that only time ends."""


def synthetic_sources(run: Run, tokenizer: Tokenizer) -> list[Source]:
    """A source for each entry of `datasets.synthetic`; nothing is made yet. Raises InputError for a trace without
    lengths."""
    names = run.config.s3_read_data.source_data_files
    entries = zip(names, run.config.datasets.synthetic, strict=True)
    return [
        reader_for(name).open(
            SourceRequest(name, None, _count(run, entry), synthetic_request(run, index, entry, tokenizer))
        )
        for index, (name, entry) in enumerate(entries)
    ]


def synthetic_request(run: Run, index: int, entry: Synthetic, tokenizer: Tokenizer) -> SyntheticRequest:
    """What the entry with this index asks for, counted by a tokenizer."""
    return SyntheticRequest(
        entry=index,
        input_tokens=_lengths(run, entry.input_tokens, output=False),
        output_tokens=answer_lengths(run, entry),
        shared_prefix_tokens=entry.shared_prefix_tokens,
        payload_file=entry.payload_file,
        tokenizer=tokenizer,
        seed=run.config.general.seed,
    )


def answer_lengths(run: Run, entry: Synthetic) -> TokenLengths | None:
    """The tokens of the answers to an entry's prompts, None where the config does not give them. Raises InputError for
    a trace without lengths."""
    return None if entry.output_tokens is None else _lengths(run, entry.output_tokens, output=True)


def _count(run: Run, entry: Synthetic) -> int:
    """How many prompts an entry makes: without a number, as many as its levels need to send each once, also those that
    are measured again."""
    if entry.prompts is not None:
        return entry.prompts
    once = run.config.load.model_copy(update={"prompt_reuse": "never"})
    config = run.config.model_copy(update={"load": once})
    needed = needed_prompts(config, {entry.payload_file}).get(entry.payload_file, 1)
    timed = [level for level in all_levels(config, {entry.payload_file}) if level.most_requests is None]
    return (needed + _FOR_A_LEVEL_OF_TIME * len(timed)) * (1 + run.config.load.retry_invalid)


def _lengths(run: Run, value: object, *, output: bool) -> TokenLengths:
    if value != TRACE:
        return parse_lengths(value)
    entries = trace_of(run) or ()
    lengths: Iterable[int | None] = (each.completion_tokens if output else each.prompt_tokens for each in entries)
    known = [length for length in lengths if length]
    if len(known) < len(entries) or not known:
        what = "output_length" if output else "input_length"
        raise InputError(f"datasets.synthetic: not every request of load.trace, {run.config.load.trace}, has a {what}")
    return lengths_in_turn(known)
