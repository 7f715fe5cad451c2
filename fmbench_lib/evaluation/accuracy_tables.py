"""Tables of accuracy, agreement and comparison, as plain rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NotRequired, TypedDict

from fmbench_lib.evaluation.given_answers import Given, one_answer_of
from fmbench_lib.evaluation.outcomes import Outcomes, tallies
from fmbench_lib.evaluation.voting import CORRECT, Tally, majority_of_others
from fmbench_lib.metrics.statistics.agreement import agreement_share, cohen, fleiss, krippendorff
from fmbench_lib.metrics.statistics.load_trend import stratified_trend
from fmbench_lib.metrics.statistics.paired_shares import holm, mcnemar
from fmbench_lib.metrics.statistics.proportions import sign_test_size, wilson

Rows = list[dict[str, Any]]


class TallyCells(TypedDict):
    """A tally in a table; `accuracy` with its 95% interval, null without questions."""

    questions: int
    correct: int
    incorrect: int
    ties: int
    no_verdict: int
    accuracy: float | None
    accuracy_low: float | None
    accuracy_high: float | None


class AgreementRow(TypedDict):
    """How far two judges agree, or all of them, of whom only the coefficient is known.

    `answers`: those that both judged · `agreement`: the share of equal verdicts, with its 95% interval.
    """

    first: str
    second: str
    answers: NotRequired[int]
    agreement: NotRequired[float | None]
    agreement_low: NotRequired[float | None]
    agreement_high: NotRequired[float | None]
    coefficient: str
    value: float | None


class ComparisonRow(TypedDict):
    """Two models on the questions that both answered. `first_only`: questions that the first alone answered correctly ·
    `p_value_holm`: corrected for all pairs · `more_questions_to_settle`: 0 where the pair is settled."""

    first: str
    second: str
    questions: int
    first_only: int
    second_only: int
    p_value: float
    more_questions_to_settle: int | None
    p_value_holm: NotRequired[float]


def accuracy_rows(given: Sequence[Given], outcomes: Outcomes, columns: Sequence[str]) -> Rows:
    """The panel's accuracy by these columns, over questions; ties and missing verdicts are in the denominator."""
    found = tallies(one_answer_of(given), outcomes, columns)
    return [{**dict(zip(columns, key, strict=True)), **tally_cells(counted)} for key, counted in found.items()]


def judge_accuracy_rows(given: Sequence[Given], outcomes: Outcomes) -> Rows:
    """The accuracy of each model as each judge says."""
    questions, rows = one_answer_of(given), []
    for judge in outcomes.judges:
        for (experiment,), counted in tallies(questions, outcomes, ["experiment_name"], judge).items():
            rows.append({"judge": judge, "experiment_name": experiment, **tally_cells(counted)})
    return rows


def tally_cells(counted: Tally) -> TallyCells:
    """A tally with its accuracy and the 95% interval of that."""
    low, high = wilson(counted.correct, counted.count) or (None, None)
    return {
        "questions": counted.count,
        "correct": counted.correct,
        "incorrect": counted.incorrect,
        "ties": counted.ties,
        "no_verdict": counted.no_verdict,
        "accuracy": counted.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
    }


def breakdown_rows(given: Sequence[Given], outcomes: Outcomes) -> Rows:
    """How many questions of each model were decided unanimously, by a majority, not at all."""
    counts: dict[str, Counter[str]] = {}
    for each in one_answer_of(given):
        vote = outcomes.votes.get(each.answer_id or "")
        if vote is not None and each.kind not in ("failed", "empty"):
            counts.setdefault(each.experiment_name, Counter())[vote.kind] += 1
    return [
        {"experiment_name": name, "decided": kind, "questions": number}
        for name, kinds in counts.items()
        for kind, number in kinds.most_common()
    ]


def kind_rows(given: Sequence[Given]) -> Rows:
    """How many answers of each model are refusals, empty, truncated, failed, over all requests."""
    counts: dict[str, Counter[str]] = {}
    for each in given:
        counts.setdefault(each.experiment_name, Counter())[each.kind] += 1
    kinds = ("answer", "refusal", "empty", "truncated", "failed")
    return [{"experiment_name": name, **{kind: found[kind] for kind in kinds}} for name, found in counts.items()]


def agreement_rows(outcomes: Outcomes, human: Mapping[str, str]) -> list[AgreementRow]:
    """Agreement of each pair of judges, of all, of each with the majority of the others, and with human labels."""
    answers, judges = list(outcomes.labels), outcomes.judges
    said = {judge: [outcomes.labels[answer].get(judge) for answer in answers] for judge in judges}
    items = [[outcomes.labels[answer].get(judge) for judge in judges] for answer in answers]
    rows = [_pair(first, second, said[first], said[second]) for first, second in combinations(judges, 2)]
    if len(judges) > 1:
        rows += [
            _coefficient("Fleiss' kappa", fleiss(items)),
            _coefficient("Krippendorff's alpha", krippendorff(items)),
        ]
    for number, judge in enumerate(judges if len(judges) > 2 else ()):
        others = [majority_of_others(item, number) for item in items]
        rows.append(_pair(judge, "majority of the others", said[judge], others))
    if human:
        labels = [human.get(answer) for answer in answers]
        panel: list[str | None] = [outcomes.votes[answer].outcome for answer in answers]
        rows += [_pair(judge, "human", said[judge], labels) for judge in judges]
        rows.append(_pair("panel", "human", panel, labels))
    return rows


def _pair(first: str, second: str, ours: Sequence[str | None], theirs: Sequence[str | None]) -> AgreementRow:
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    low, high = wilson(sum(a == b for a, b in pairs), len(pairs)) or (None, None)
    return {
        "first": first,
        "second": second,
        "answers": len(pairs),
        "agreement": agreement_share(ours, theirs),
        "agreement_low": low,
        "agreement_high": high,
        "coefficient": "Cohen's kappa",
        "value": cohen(ours, theirs),
    }


def _coefficient(name: str, value: float | None) -> AgreementRow:
    return {"first": "all judges", "second": "", "coefficient": name, "value": value}


def comparison_rows(given: Sequence[Given], outcomes: Outcomes) -> list[ComparisonRow]:
    """Each pair of models on the questions that both answered: McNemar's exact test, corrected for all pairs (Holm)."""
    right: dict[str, dict[tuple[str, str], bool]] = {}
    for each in one_answer_of(given):
        if (outcome := outcomes.of(each)) is not None:
            right.setdefault(each.experiment_name, {})[each.payload_file, each.prompt_id] = outcome == CORRECT
    rows: list[ComparisonRow] = []
    for first, second in combinations(right, 2):
        common = right[first].keys() & right[second].keys()
        ours = sum(right[first][key] and not right[second][key] for key in common)
        theirs = sum(right[second][key] and not right[first][key] for key in common)
        rows.append(
            {
                "first": first,
                "second": second,
                "questions": len(common),
                "first_only": ours,
                "second_only": theirs,
                "p_value": mcnemar(ours, theirs),
                "more_questions_to_settle": sign_test_size(ours, theirs, len(common)),
            }
        )
    for row, corrected in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row["p_value_holm"] = corrected
        if corrected < 0.05:
            row["more_questions_to_settle"] = 0
    return rows


def load_rows(given: Sequence[Given], outcomes: Outcomes) -> Rows:
    """Accuracy at each load, and for each model and payload file whether it rises or falls with it."""
    levels: dict[tuple[str, str], list[tuple[str, Tally]]] = {}
    for (experiment, payload, load), counted in tallies(
        given, outcomes, ["experiment_name", "payload_file", "load"]
    ).items():
        levels.setdefault((experiment, payload), []).append((load, counted))
    answers: dict[tuple[str, str], list[tuple[str, float, bool]]] = {}
    for each in given:
        if (outcome := outcomes.of(each)) is not None:
            answer = (each.prompt_id, load_number(each.load), outcome == CORRECT)
            answers.setdefault((each.experiment_name, each.payload_file), []).append(answer)
    rows: Rows = []
    for (experiment, payload), found in levels.items():
        z, p = stratified_trend(answers[experiment, payload])
        named = {"experiment_name": experiment, "payload_file": payload}
        trend = {"trend_z": z, "trend_p": p} if len(found) > 1 else {"trend_z": None, "trend_p": None}
        rows += [{**named, "load": load, **tally_cells(counted), **trend} for load, counted in found]
    return rows


def load_number(load: str) -> float:
    """The number in a load's name, `concurrency-4` or `rate-0.5-r2`; 0 without one."""
    match = re.search(r"\d+(?:\.\d+)?", load)
    return float(match.group()) if match else 0.0
