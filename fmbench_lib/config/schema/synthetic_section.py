"""Prompts that are made, not read: `datasets.synthetic`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator

from fmbench_lib.config.problems import shown
from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import Count, FileName, Kind, Tokens, reject
from fmbench_lib.config.token_lengths import parse_lengths


def _lengths(value: Any) -> Any:
    try:
        parse_lengths(value)
    except ValueError as error:
        message = str(error)
        reject(message if message.startswith(("has ", "lacks ")) else f"is {shown(value)}; {message}")
    return value


Lengths = Annotated[Any, PlainValidator(_lengths), Kind("tokens, list or distribution")]


class Synthetic(Section):
    """Prompts of exact lengths, made of common words. Each entry makes one payload file, see below."""

    strict: ClassVar[bool] = True
    examples: ClassVar[dict[str, str]] = {"input_tokens": "1000"}

    input_tokens: Lengths = described(
        "Tokens of each prompt, as the server counts them: a number, a list taken in turn, `{min: 100, max: 200}`, "
        "`{mean: 1000, stddev: 200, min: 1, max: 4000}`, the same with `distribution: lognormal`, or `trace`, the "
        "lengths in `load.trace`."
    )
    output_tokens: Lengths | None = described(
        "Tokens of each answer, in the same forms. They are the request's limit; where the protocol can, the model is "
        "kept from stopping before.",
        None,
        shown_default="as `inference_parameters` say",
    )
    shared_prefix_tokens: Tokens = described(
        "Tokens at the beginning that all prompts have in common, part of `input_tokens`.", 0
    )
    payload_file: FileName = described(
        "Name of the payload file.", "", shown_default="`payload_en_<shortest>-<longest + 1>.jsonl`"
    )
    prompts: Count | None = described(
        "How many prompts are made.", None, shown_default="as many as the levels need to send each once"
    )
