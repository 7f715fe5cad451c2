"""From verdicts to the outcome of each answer, and from outcomes to accuracies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fmbench_lib.evaluation.given_answers import Given
from fmbench_lib.evaluation.voting import CORRECT, INCORRECT, NO_VERDICT, Tally, Vote, tally, vote

Said = Mapping[str, str | None]
"""Verdicts on correctness of one answer by judge; None where a judge was asked and gave none."""
Labels = Mapping[str, Said]
"""Verdicts on correctness: by answer, by judge. Answers of which the same was said share one mapping."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Similarities to an acceptable answer that verdicts must agree with; None asks nothing.

    A verdict `incorrect` counts if the similarity is below `incorrect`, `correct` if it is above `correct`; one that
    does not is no verdict. An answer without a similarity keeps its verdicts.
    """

    incorrect: float | None = None
    correct: float | None = None

    def applied(self, label: str | None, similarity: float | None) -> str | None:
        """The verdict as far as the similarity agrees with it."""
        if similarity is None or label is None:
            return label
        if label == INCORRECT and self.incorrect is not None and similarity >= self.incorrect:
            return None
        if label == CORRECT and self.correct is not None and similarity <= self.correct:
            return None
        return label


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The votes by answer, and the verdicts that they are made of. An empty answer is incorrect; no judge sees it."""

    votes: Mapping[str, Vote]
    labels: Labels
    judges: tuple[str, ...] = field(default=())

    def of(self, given: Given) -> str | None:
        """The outcome of an answer; None where the request failed, or the answer was not judged."""
        if given.kind == "failed" or given.answer_id is None:
            return None
        if given.kind == "empty":
            return INCORRECT
        found = self.votes.get(given.answer_id)
        return None if found is None else found.outcome

    def by_judge(self, given: Given, judge: str) -> str | None:
        """What one judge says of an answer, `no_verdict` where it gave none; None where it was not asked."""
        if given.kind == "empty":
            return INCORRECT
        labels = self.labels.get(given.answer_id or "", {})
        return labels[judge] or NO_VERDICT if judge in labels else None


def outcomes_of(
    rows: Iterable[Mapping[str, object]],
    judges: Sequence[str],
    thresholds: Thresholds,
    similarity: Mapping[str, float | None],
) -> Outcomes:
    """The outcomes of all answers that some judge was asked about. `rows` are those of the verdicts on correctness."""
    labels: dict[str, Said] = {}
    shared: dict[frozenset[tuple[str, str | None]], Said] = {}
    for row in rows:
        answer = str(row["subject"])
        label = thresholds.applied(None if row["label"] is None else str(row["label"]), similarity.get(answer))
        said = {**labels.get(answer, {}), str(row["judge"]): label}
        labels[answer] = shared.setdefault(frozenset(said.items()), said)
    votes_on = {said: vote([dict(said).get(judge) for judge in judges]) for said in shared}
    votes = {answer: votes_on[frozenset(said.items())] for answer, said in labels.items()}
    return Outcomes(votes, labels, tuple(judges))


def tallies(
    given: Iterable[Given], outcomes: Outcomes, columns: Sequence[str], judge: str | None = None
) -> dict[tuple[str, ...], Tally]:
    """The outcomes by these columns of `Given`, of the panel or of one judge."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for each in given:
        outcome = outcomes.of(each) if judge is None else outcomes.by_judge(each, judge)
        if outcome is not None:
            groups.setdefault(tuple(str(getattr(each, name)) for name in columns), []).append(outcome)
    return {key: tally(found) for key, found in groups.items()}
