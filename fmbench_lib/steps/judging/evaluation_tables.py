"""The tables of an evaluation, under FMBench 2.x's names where it had them, and one tidy Parquet file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias, TypedDict

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fmbench_lib.config.schema.evaluation_section import EvaluationSection
from fmbench_lib.evaluation.accuracy_tables import (
    accuracy_rows,
    agreement_rows,
    breakdown_rows,
    comparison_rows,
    judge_accuracy_rows,
    kind_rows,
    load_rows,
)
from fmbench_lib.evaluation.asking.embedding_spending import embedding_stores
from fmbench_lib.evaluation.asking.panel import Panel
from fmbench_lib.evaluation.asking.spending import spent_on
from fmbench_lib.evaluation.asking.verdict_store import VerdictStore
from fmbench_lib.evaluation.evaluating import (
    Evaluation,
    pairs_of,
    rows_of_form,
    with_verdicts,
)
from fmbench_lib.evaluation.given_answers import Given, one_answer_of
from fmbench_lib.evaluation.judging.forms import CORRECTNESS, PAIRWISE
from fmbench_lib.evaluation.judging.forms import RUBRIC as RUBRIC_FORM
from fmbench_lib.evaluation.length_tables import length_rows
from fmbench_lib.evaluation.outcomes import Outcomes, Thresholds, outcomes_of
from fmbench_lib.evaluation.preference_tables import preference_rows, rubric_rows_of, score_interval
from fmbench_lib.evaluation.scoring import SCORE_NAMES, read_scores
from fmbench_lib.host.atomic_files import replacing
from fmbench_lib.host.csv_files import write_csv, write_rows
from fmbench_lib.report.evaluation_files import (
    ACCURACY,
    AGREEMENT,
    BREAKDOWN,
    COMPARISONS,
    COSTS,
    EMBEDDED,
    KINDS,
    PER_JUDGE,
    PER_LENGTH,
    PER_LOAD,
    PER_PAYLOAD,
    PREFERENCES,
    QUANTITATIVE,
    RAW,
    RUBRIC,
    TIDY,
    VOTES,
)
from fmbench_lib.runs.run import Run

_Cells: TypeAlias = dict[str, str | float | None]
"""A row by column name."""


class ScoreRow(TypedDict):
    """The mean of a score over `answers` questions, with its 95% interval; `against` is what it was compared with."""

    experiment_name: str
    payload_file: str
    score: str
    against: str
    answers: int
    mean: float | None
    mean_low: float | None
    mean_high: float | None


class JudgementRow(TypedDict):
    """What a judge said of an answer. `verdict` is what counts, `verdict_said` what the judge wrote."""

    answer_id: str
    experiments: str
    payload_file: str
    question: str
    ground_truth: str
    candidate_response: str
    judge: str
    verdict: str
    verdict_said: str | None
    explanation: str
    error: str | None
    human_label: str | None


def write_tables(
    run: Run,
    section: EvaluationSection,
    evaluation: Evaluation,
    panel: Panel,
    given: Sequence[Given],
    human: Mapping[str, str],
) -> pd.DataFrame:
    """Write every table; returns the accuracy of each model, empty where no judge was asked about correctness."""
    scores, judges = read_scores(evaluation.scores_file), [judge.name for judge in panel.judges]
    thresholds = Thresholds(
        section.incorrect_verdict_cosine_similarity_threshold, section.correct_verdict_cosine_similarity_threshold
    )
    near = {str(key): float(value) for key, value in scores["cosine_similarity"].dropna().items()}
    outcomes = outcomes_of(rows_of_form(panel, CORRECTNESS), judges, thresholds, near)
    judged = outcomes if outcomes.labels else Outcomes({}, {}, ())
    counted = given if outcomes.labels else []
    tables: dict[str, Sequence[Mapping[str, Any]]] = {
        ACCURACY: accuracy_rows(counted, judged, ["experiment_name"]),
        PER_PAYLOAD: accuracy_rows(counted, judged, ["experiment_name", "payload_file"]),
        PER_JUDGE: judge_accuracy_rows(counted, judged),
        BREAKDOWN: breakdown_rows(counted, judged),
        AGREEMENT: agreement_rows(judged, human) if outcomes.labels else [],
        COMPARISONS: comparison_rows(counted, judged),
        PER_LOAD: load_rows(counted, judged),
        PER_LENGTH: length_rows(counted, judged, _tokens_of(evaluation)),
        KINDS: kind_rows(given),
        QUANTITATIVE: _score_rows(given, scores),
        COSTS: cost_rows(panel),
        RUBRIC: rubric_rows_of(given, rows_of_form(panel, RUBRIC_FORM)),
        PREFERENCES: preference_rows(given, rows_of_form(panel, PAIRWISE), pairs_of(given), judges)
        if any(form.name == PAIRWISE for form in evaluation.forms)
        else [],
    }
    for name, rows in tables.items():
        _write(run, name, rows)
    _stream(run, VOTES, _vote_rows(counted, judged))
    _stream(run, RAW, _raw_rows(evaluation, panel, judged, given, human))
    _write_tidy(run, given, judged, scores)
    return pd.DataFrame(tables[ACCURACY])


def _tokens_of(evaluation: Evaluation) -> Callable[[str, str], int | None]:
    """The tokens of a prompt, by payload file and id."""
    lengths: dict[str, dict[str, int | None]] = {}

    def tokens(payload_file: str, prompt_id: str) -> int | None:
        if payload_file not in lengths:
            rows = evaluation.prompts_of(payload_file)
            lengths[payload_file] = {name: row.get("prompt_tokens") for name, row in rows.items()}
        return lengths[payload_file].get(prompt_id)

    return tokens


def _write(run: Run, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    path = run.workspace.metrics(name)
    if not rows:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as part:
        write_csv(pd.DataFrame({column: _cells(rows, column) for column in _columns(rows)}), part)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(column for row in rows for column in row))


def _cells(rows: Sequence[Mapping[str, Any]], column: str) -> Any:
    """A column; counts stay whole numbers where some are missing."""
    values = [row.get(column) for row in rows]
    whole = all(value is None or type(value) is int for value in values)
    return pd.array(values, "Int64") if whole else values


def cost_rows(panel: Panel) -> list[_Cells]:
    """What each judge was asked, and what that cost, in all evaluations of this run, also of judges that are no longer
    on the panel; and what embedding texts took.

    `failed`: judgements without an answer · `retries`: requests beyond the first of each · `tokens_estimated`:
    judgements whose tokens the server did not count · `texts_embedded`: of the row of embeddings, in place of
    judgements. Tokens and cost are missing where one of the answers lacks them, `unanswered_cost_at_most` where it is
    not known of a request that may have to be paid for.
    """
    rows = []
    for name, store in panel.stores():
        stored_name, sums = _sums_of(store)
        left_out = panel.tallies[name].left_out if name is not None else 0
        if store.part_count or left_out:
            rows.append({"judge": name or f"{stored_name} (no longer on the panel)", **sums, "left_out": left_out})
    for store in embedding_stores(panel.folder):
        if store.part_count:
            name, sums = _sums_of(store)
            replaced = {"judgements": None, "no_verdict": None, EMBEDDED: sums["judgements"]}
            rows.append({"judge": name, **sums, **replaced})
    return rows


def _sums_of(store: VerdictStore) -> tuple[str, dict[str, Any]]:
    """The name in the rows of a store, and their sums."""
    answered, failed = store.judgements
    sums: dict[str, Any] = dict.fromkeys(_SUMS, 0) | {"cost": 0.0, _LOST: 0.0}
    stored_name, unknown, requests = "", set[str](), 0
    for row in store.rows(_COSTS):
        requests, stored_name = requests + 1, str(row["judge"])
        sums["no_verdict"] += row["error"] is None and row["label"] is None and not row["scores"]
        sums["tokens_estimated"] += bool(row["tokens_estimated"])
        for column in ("prompt_tokens", "completion_tokens", "cost"):
            if row[column] is not None:
                sums[column] += row[column]
            elif row["error"] is None:  # an answer without it: what the others have is not the sum
                unknown.add(column)
        if row["error"] is not None:
            lost = spent_on(row["error"], None, row["cost_at_most"])
            sums[_LOST] += 0.0 if lost is None else lost
            unknown |= {_LOST} if lost is None else set()
    sums |= {"judgements": answered, "failed": failed, "retries": requests - answered - failed}
    return stored_name, sums | dict.fromkeys(unknown)


_LOST = "unanswered_cost_at_most"
_SUMS = ("judgements", "no_verdict", "failed", "retries", "prompt_tokens", "completion_tokens", "tokens_estimated")
_COSTS = [
    *("judge", "error", "label", "scores"),
    *("prompt_tokens", "completion_tokens", "tokens_estimated", "cost", "cost_at_most"),
]


def _score_rows(given: Sequence[Given], scores: pd.DataFrame) -> list[ScoreRow]:
    """The mean of each score by model and payload file, over questions, with its interval and what it was against."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in one_answer_of(given):
        if each.answer_id is not None:
            groups.setdefault((each.experiment_name, each.payload_file), []).append(each.answer_id)
    rows: list[ScoreRow] = []
    for (experiment, payload), answers in groups.items():
        found = scores.loc[answers]
        against = "/".join(sorted(set(found["against"])))
        for name in SCORE_NAMES:
            values = found[name].dropna().tolist()
            mean, low, high = score_interval(name, values)
            if values:
                rows.append(
                    {
                        "experiment_name": experiment,
                        "payload_file": payload,
                        "score": name,
                        "against": against,
                        "answers": len(values),
                        "mean": mean,
                        "mean_low": low,
                        "mean_high": high,
                    }
                )
    return rows


def _vote_rows(given: Sequence[Given], outcomes: Outcomes) -> Iterator[_Cells]:
    for each in one_answer_of(given):
        vote = outcomes.votes.get(each.answer_id or "")
        yield {
            **each._asdict(),
            "outcome": outcomes.of(each),
            "decided": None if vote is None else vote.kind,
            "dissents": None if vote is None else vote.dissents,
        }


def _stream(run: Run, name: str, rows: Iterator[Mapping[str, Any]], chunk: int = 500) -> None:
    """Write a table as its rows come; none of no rows."""
    path, first = run.workspace.metrics(name), next(rows, None)
    if first is None:
        path.unlink(missing_ok=True)
        return
    every = chain([first], rows)
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        header = True
        while some := list(islice(every, chunk)):
            write_rows(pd.DataFrame(some), file, header=header)
            header = False


def _raw_rows(
    evaluation: Evaluation, panel: Panel, outcomes: Outcomes, given: Sequence[Given], human: Mapping[str, str]
) -> Iterator[JudgementRow]:
    """One row for each distinct answer and judge."""
    givers: dict[str, tuple[str, ...]] = {}
    for each in given:
        names = givers.get(each.answer_id or "", ())
        if each.experiment_name not in names:
            givers[each.answer_id or ""] = (*names, each.experiment_name)
    for answer, said in with_verdicts(evaluation, panel, ["label", "explanation", "error"]):
        for judge, row in said.items():
            yield {
                "answer_id": answer.answer_id,
                "experiments": ", ".join(givers.get(answer.answer_id, ())),
                "payload_file": answer.payload_file,
                "question": answer.question,
                "ground_truth": " | ".join(answer.truths),
                "candidate_response": answer.text,
                "judge": judge,
                "verdict": outcomes.labels.get(answer.answer_id, {}).get(judge) or "no_verdict",
                "verdict_said": row["label"],
                "explanation": row["explanation"],
                "error": row["error"],
                "human_label": human.get(answer.answer_id),
            }


_TIDY = pa.schema(
    [*((name, pa.string()) for name in (*Given._fields, "measure")), ("value", pa.float64()), ("label", pa.string())]
)


def _write_tidy(run: Run, given: Sequence[Given], outcomes: Outcomes, scores: pd.DataFrame, chunk: int = 500) -> None:
    """One row for each answer as it was given and each thing that is known of it: the panel's and each judge's label,
    each score."""
    with replacing(run.workspace.metrics(TIDY)) as part, pq.ParquetWriter(part, _TIDY, compression="zstd") as writer:
        for start in range(0, len(given), chunk):
            rows = [row for each in given[start : start + chunk] for row in _measures(each, outcomes, scores)]
            writer.write_table(pa.Table.from_pylist(rows, schema=_TIDY))


def _measures(given: Given, outcomes: Outcomes, scores: pd.DataFrame) -> Iterator[_Cells]:
    named = given._asdict()
    if (outcome := outcomes.of(given)) is not None:
        yield {**named, "measure": "panel", "label": outcome}
    for judge in outcomes.judges:
        if (label := outcomes.by_judge(given, judge)) is not None:
            yield {**named, "measure": f"judge {judge}", "label": label}
    if given.answer_id is not None:
        found: Any = scores.loc[given.answer_id]
        for name in SCORE_NAMES:
            if not pd.isna(found[name]):
                yield {**named, "measure": name, "value": float(found[name])}
