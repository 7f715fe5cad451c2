"""How many tokens the answers of an experiment probably have, and have at most, before any is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.config.schema.synthetic_section import Synthetic
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.base import generates_text
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.prompts.multiple_texts import probable_predictor
from fmbench_lib.steps.prompts.synthetic_sources import answer_lengths

_LIMITS = ("max_tokens", "max_new_tokens", "max_completion_tokens", "n_predict")


@dataclass(frozen=True, slots=True)
class AnswerTokens:
    """Tokens of an answer: probably, and at most; None where nothing says it."""

    probable: float | None
    most: int | None


def answer_tokens(run: Run, experiment: Experiment, payload_files: Iterable[str]) -> dict[str, AnswerTokens]:
    """The tokens of the answers to each payload file's prompts: none where answers are embeddings or ranks; as
    `output_tokens` of synthetic prompts say; else the limit among the parameters."""
    if _generates_nothing(run, experiment):
        return dict.fromkeys(payload_files, AnswerTokens(0, 0))
    limit = limit_of(experiment.inference_spec.parameters)
    made_by = {entry.payload_file: entry for entry in run.config.datasets.synthetic}
    return {name: _of_entry(run, made_by.get(name), limit) for name in payload_files}


def limit_of(parameters: Mapping[str, Any]) -> int | None:
    """The most output tokens that parameters allow, the greatest where several say it; None where none limits them."""
    bounds = [bound for key in _LIMITS if (bound := _bound(parameters.get(key))) is not None]
    return max(bounds, default=None)


def _generates_nothing(run: Run, experiment: Experiment) -> bool:
    try:
        return not generates_text(probable_predictor(run, experiment))
    except InputError:  # an obstacle of its own, such as a key that the environment lacks
        return False


def _of_entry(run: Run, entry: Synthetic | None, limit: int | None) -> AnswerTokens:
    try:
        lengths = None if entry is None else answer_lengths(run, entry)
    except InputError:  # a trace without lengths, which is an obstacle of its own
        lengths = None
    return AnswerTokens(limit, limit) if lengths is None else AnswerTokens(lengths.average, lengths.high)


def _bound(value: Any) -> int | None:
    """A limit as a number; None where the parameter is not a whole number, nor the text of one. -1 is no limit."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
