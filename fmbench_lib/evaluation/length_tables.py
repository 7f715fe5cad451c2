"""Accuracy against the length of prompts, as plain rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from statistics import fmean

from fmbench_lib.evaluation.accuracy_tables import TallyCells, tally_cells
from fmbench_lib.evaluation.given_answers import Given, one_answer_of
from fmbench_lib.evaluation.outcomes import Outcomes
from fmbench_lib.evaluation.voting import CORRECT, tally
from fmbench_lib.metrics.statistics.paired_shares import holm
from fmbench_lib.metrics.statistics.share_trend import share_trend

MOST_BINS, FEWEST_IN_BIN = 5, 6


class LengthRow(TallyCells):
    """The accuracy of a model in a bin of prompt lengths, and the trend over all of them; `trend_p_holm` is corrected
    for the number of models, null before they are all known."""

    experiment_name: str
    prompt_tokens_low: int
    prompt_tokens_high: int
    prompt_tokens_mean: float
    trend_z: float
    trend_p: float
    trend_p_holm: float | None


def length_rows(
    given: Sequence[Given], outcomes: Outcomes, tokens_of: Callable[[str, str], int | None]
) -> list[LengthRow]:
    """Accuracy of each model in bins of equally many questions by the tokens of their prompts, the same for all models,
    with the Cochran-Armitage test for a trend over single questions, corrected for the number of models (Holm).

    `tokens_of` gives the length of a prompt by payload file and id. No rows where there are not two bins of
    `FEWEST_IN_BIN` questions, or all prompts have one length.
    """
    judged: dict[str, list[tuple[int, str]]] = {}
    lengths: dict[tuple[str, str], int] = {}
    for each in one_answer_of(given):
        outcome, tokens = outcomes.of(each), tokens_of(each.payload_file, each.prompt_id)
        if outcome is not None and tokens is not None:
            judged.setdefault(each.experiment_name, []).append((tokens, outcome))
            lengths[each.payload_file, each.prompt_id] = tokens
    edges = bin_edges(sorted(lengths.values()))
    if len(edges) < 2:
        return []
    rows = {name: _rows(name, found, edges) for name, found in judged.items()}
    for found, corrected in zip(rows.values(), holm([found[0]["trend_p"] for found in rows.values()]), strict=True):
        for row in found:
            row["trend_p_holm"] = corrected
    return [row for found in rows.values() for row in found]


def bin_edges(lengths: Sequence[int]) -> list[int]:
    """The least length of each bin, from lengths in order; equal lengths are in one bin."""
    bins = min(MOST_BINS, len(lengths) // FEWEST_IN_BIN)
    return sorted({lengths[len(lengths) * number // bins] for number in range(bins)})


def _rows(name: str, found: Sequence[tuple[int, str]], edges: Sequence[int]) -> list[LengthRow]:
    bins: dict[int, list[tuple[int, str]]] = {}
    for tokens, outcome in sorted(found):
        bins.setdefault(bisect_right(edges, tokens) - 1, []).append((tokens, outcome))
    z, p = share_trend([outcome == CORRECT for _, outcome in found], [tokens for tokens, _ in found])
    return [
        {
            "experiment_name": name,
            "prompt_tokens_low": inside[0][0],
            "prompt_tokens_high": inside[-1][0],
            "prompt_tokens_mean": fmean(tokens for tokens, _ in inside),
            **tally_cells(tally(outcome for _, outcome in inside)),
            "trend_z": z,
            "trend_p": p,
            "trend_p_holm": None,
        }
        for _, inside in sorted(bins.items())
    ]
