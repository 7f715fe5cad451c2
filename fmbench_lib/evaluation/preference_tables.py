"""Rubric scores and preferences, as plain rows."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from fmbench_lib.evaluation.given_answers import Given, one_answer_of
from fmbench_lib.evaluation.judging.forms import EQUAL, FIRST, SECOND
from fmbench_lib.evaluation.voting import vote
from fmbench_lib.metrics.statistics.paired_shares import holm, mcnemar
from fmbench_lib.metrics.statistics.proportions import wilson
from fmbench_lib.metrics.statistics.student import t_quantile

Rows = list[dict[str, Any]]
_YES_OR_NO = frozenset({"exact_match", "contains", "numeric_match", "json_valid", "schema_valid"})


def mean_interval(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """The mean and its 95% interval by Student's t; the interval is None below two values."""
    if not values:
        return None, None, None
    mean = fmean(values)
    if len(values) < 2:
        return mean, None, None
    half = t_quantile(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def score_interval(name: str, values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """The mean of a score and its 95% interval: Wilson's for one that is 0 or 1, else Student's within the scale."""
    if name in _YES_OR_NO and values:
        ends = wilson(sum(values), len(values)) or (None, None)
        return fmean(values), *ends
    mean, low, high = mean_interval(values)
    least = -1.0 if name == "cosine_similarity" else 0.0
    return mean, None if low is None else max(low, least), None if high is None else min(high, 1.0)


def rubric_rows_of(given: Sequence[Given], rows: Iterable[Mapping[str, object]]) -> Rows:
    """The mean score of each model by criterion: over questions, of the mean over judges that gave scores."""
    said: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        for criterion, score in json.loads(str(row["scores"] or "{}")).items():
            said.setdefault(str(row["subject"]), {}).setdefault(criterion, []).append(score)
    means: dict[tuple[str, str], list[float]] = {}
    for each in one_answer_of(given):
        for criterion, scores in said.get(each.answer_id or "", {}).items():
            means.setdefault((each.experiment_name, criterion), []).append(fmean(scores))
    result: Rows = []
    for (experiment, criterion), values in means.items():
        mean, low, high = mean_interval(values)
        named = {"experiment_name": experiment, "criterion": criterion, "questions": len(values)}
        result.append({**named, "mean": mean, "mean_low": low, "mean_high": high})
    return result


def preference_of(both: Sequence[str | None]) -> str | None:
    """What a judge prefers, from what it said in one order and in the other: the first answer, the second, or neither.

    One that changes its mind with the order has no preference; None where a verdict is missing.
    """
    if None in both:
        return None
    first, second = both
    swapped = {FIRST: SECOND, SECOND: FIRST, EQUAL: EQUAL}[str(second)]
    return first if first == swapped else EQUAL


def preference_rows(
    given: Sequence[Given],
    rows: Iterable[Mapping[str, object]],
    pairs: Sequence[tuple[str, str]],
    judges: Sequence[str],
) -> Rows:
    """How often the panel prefers each of two models, with the sign test over the questions where it prefers one."""
    said = {(str(row["judge"]), str(row["subject"])): row["label"] for row in rows}
    panel: dict[tuple[str, str], str] = {}
    for a, b in pairs:
        labels = [
            preference_of([_text(said.get((judge, f"{a}>{b}"))), _text(said.get((judge, f"{b}>{a}")))])
            for judge in judges
        ]
        panel[a, b] = vote(labels).outcome
    by_prompt: dict[tuple[str, str], dict[str, str | None]] = {}
    for each in one_answer_of(given):
        by_prompt.setdefault((each.payload_file, each.prompt_id), {})[each.experiment_name] = each.answer_id
    counts: dict[tuple[str, str], Counter[str]] = {}
    for answers in by_prompt.values():
        names = list(answers)
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                ours, theirs = answers[first], answers[second]
                if ours is not None and theirs is not None:
                    outcome = EQUAL if ours == theirs else panel.get((ours, theirs), "no_verdict")
                    counts.setdefault((first, second), Counter())[outcome] += 1
    return _compared(counts)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _compared(counts: Mapping[tuple[str, str], Counter[str]]) -> Rows:
    result: Rows = []
    for (first, second), found in counts.items():
        result.append(
            {
                "first": first,
                "second": second,
                "questions": found.total(),
                "first_preferred": found[FIRST],
                "second_preferred": found[SECOND],
                "ties": found[EQUAL],
                "no_verdict": found["no_verdict"],
                "p_value": mcnemar(found[FIRST], found[SECOND]),
            }
        )
    for row, corrected in zip(result, holm([row["p_value"] for row in result]), strict=True):
        row["p_value_holm"] = corrected
    return result
