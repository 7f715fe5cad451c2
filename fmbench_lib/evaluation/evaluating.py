"""A whole evaluation: the answers, and what judges are asked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from fmbench_lib.evaluation.asking.judge import Judge, Question, question_to
from fmbench_lib.evaluation.asking.panel import Panel, Questions
from fmbench_lib.evaluation.asking.verdict_store import StoredVerdict
from fmbench_lib.evaluation.given_answers import Answer, Given, PromptRows, collect_answers, one_answer_of, read_answers
from fmbench_lib.evaluation.judging.forms import CORRECTNESS, PAIRWISE, Form, FormName
from fmbench_lib.evaluation.judging.judge_prompts import Material
from fmbench_lib.workspace import LevelKey, Workspace

ANSWERS_FILE, SCORES_FILE = "answers.parquet", "scores.parquet"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is evaluated, and how.

    `levels`: the levels of the run and their records · `prompts_of`: the rows of a payload file · `wanted`: whether a
    question is evaluated.
    """

    workspace: Workspace
    levels: Sequence[tuple[LevelKey, Path]]
    prompts_of: Callable[[str], PromptRows]
    wanted: Callable[[LevelKey, str], bool]
    forms: Sequence[Form]
    seed: int
    with_context: bool = False

    @property
    def answers_file(self) -> Path:
        """The distinct answers."""
        return self.workspace.evaluation / ANSWERS_FILE

    @property
    def scores_file(self) -> Path:
        """Their scores without a judge."""
        return self.workspace.evaluation / SCORES_FILE


def collected(evaluation: Evaluation) -> list[Given]:
    """Write the distinct answers; returns where they were given."""
    evaluation.workspace.evaluation.mkdir(parents=True, exist_ok=True)
    return collect_answers(evaluation.levels, evaluation.prompts_of, evaluation.wanted, evaluation.answers_file)


def ask_panel(evaluation: Evaluation, panel: Panel, given: Sequence[Given]) -> None:
    """Ask every judge about every distinct answer that has a text, and compare experiments where that is asked for.

    The panel is open.
    """
    single = [form for form in evaluation.forms if form.name != PAIRWISE]
    panel.judge(_batches(evaluation, single))
    if any(form.name == PAIRWISE for form in evaluation.forms):
        panel.judge(_comparisons(evaluation, given))


def _batches(evaluation: Evaluation, forms: Sequence[Form]) -> Iterator[Questions]:
    for batch in read_answers(evaluation.answers_file):
        asked = [answer for answer in batch if answer.kind != "empty"]
        yield lambda judge, asked=asked: list(_questions(evaluation, judge, forms, asked))  # type: ignore[misc]


def _questions(
    evaluation: Evaluation, judge: Judge, forms: Sequence[Form], answers: Iterable[Answer]
) -> Iterator[Question]:
    for answer in answers:
        for form in forms:
            yield question_to(judge, form, answer.answer_id, _material(evaluation, answer), evaluation.seed)


def _material(evaluation: Evaluation, first: Answer, second: Answer | None = None) -> Material:
    """What a judge sees; without an acceptable answer the context is all there is to judge by."""
    texts = (first.text,) if second is None else (first.text, second.text)
    context = first.context if evaluation.with_context or not first.truths else None
    question = first.question if context != first.question else "The question is in the context."
    return Material(question, first.truths, texts, context)


def pairs_of(given: Sequence[Given]) -> list[tuple[str, str]]:
    """The pairs of answers to compare: two experiments' first answers to one prompt, where they differ."""
    by_prompt: dict[tuple[str, str], dict[str, str]] = {}
    for each in one_answer_of(given):
        if each.answer_id is not None and each.kind != "empty":
            by_prompt.setdefault((each.payload_file, each.prompt_id), {})[each.experiment_name] = each.answer_id
    found = (pair for answers in by_prompt.values() for pair in combinations(answers.values(), 2))
    return list(dict.fromkeys(pair for pair in found if pair[0] != pair[1]))


def _comparisons(evaluation: Evaluation, given: Sequence[Given], batch: int = 250) -> Iterator[Questions]:
    """The questions of the form `pairwise`, each pair in both orders."""
    form, pairs = Form(PAIRWISE), pairs_of(given)
    for start in range(0, len(pairs), batch):
        some = pairs[start : start + batch]
        wanted = {answer for pair in some for answer in pair}
        answers = {
            each.answer_id: each
            for found in read_answers(evaluation.answers_file)
            for each in found
            if each.answer_id in wanted
        }

        def questions(
            judge: Judge, some: list[tuple[str, str]] = some, answers: dict[str, Answer] = answers
        ) -> list[Question]:
            return [
                question_to(judge, form, f"{a}>{b}", _material(evaluation, answers[a], answers[b]), evaluation.seed)
                for pair in some
                for a, b in (pair, pair[::-1])
            ]

        yield questions


def rows_of_form(panel: Panel, form: FormName, columns: Sequence[str] = ("label", "scores")) -> Iterator[StoredVerdict]:
    """The rows of verdicts of a form that count, judge by judge: those of answers, where there is one."""
    for judge in panel.judges:
        yield from panel.counted(judge.name, form, ["subject", *columns])


def with_verdicts(
    evaluation: Evaluation, panel: Panel, columns: Sequence[str]
) -> Iterator[tuple[Answer, dict[str, StoredVerdict]]]:
    """Each distinct answer with the rows of the verdicts on its correctness by judge, read side by side: the judges
    were asked in the order of the answers."""
    streams = {
        judge.name: _Ahead(panel.counted(judge.name, CORRECTNESS, ["subject", *columns])) for judge in panel.judges
    }
    for batch in read_answers(evaluation.answers_file):
        for answer in batch:
            rows = {name: stream.take(answer.answer_id) for name, stream in streams.items()}
            yield answer, {name: row for name, row in rows.items() if row is not None}


class _Ahead:
    """Rows, of which the next one is taken only by its subject."""

    def __init__(self, rows: Iterator[StoredVerdict]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def take(self, subject: str) -> StoredVerdict | None:
        """The next row, if it is about this subject."""
        row = self._next
        if row is None or row["subject"] != subject:
            return None
        self._next = next(self._rows, None)
        return row
