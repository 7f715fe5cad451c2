"""The vote of a panel on one answer, and what the votes on many answers come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

CORRECT, INCORRECT = "correct", "incorrect"
NO_VERDICT, TIE = "no_verdict", "tie"

Outcome: TypeAlias = Literal["correct", "incorrect", "tie", "no_verdict"]


@dataclass(frozen=True, slots=True)
class Vote:
    """What a panel says of an answer.

    `outcome`: the label of more than half of the panel; a tie where no label leads, and where one leads a whole panel
    without being its majority; else `no_verdict`, as verdicts are missing that would have decided · `dissents`:
    verdicts against the majority · `missing`: judges without a verdict.
    """

    outcome: str
    dissents: int = 0
    missing: int = 0

    @property
    def kind(self) -> str:
        """`unanimous`, `majority, 1 dissent`, `tie` or `no verdict`, with how many judges gave none."""
        kind = self.outcome.replace("_", " ")
        if self.outcome not in (TIE, NO_VERDICT):
            dissents = f"majority, {self.dissents} dissent{'' if self.dissents == 1 else 's'}"
            kind = dissents if self.dissents else "unanimous"
        return f"{kind}, {self.missing} without a verdict" if self.missing and self.outcome != NO_VERDICT else kind


def vote(verdicts: Sequence[str | None]) -> Vote:
    """The strict majority of a panel. None is a judge that gave no verdict: it counts, and for nothing."""
    given = [verdict for verdict in verdicts if verdict not in (None, NO_VERDICT)]
    missing = len(verdicts) - len(given)
    (label, most), (_, next_most) = [*Counter(given).most_common(2), (NO_VERDICT, 0), (NO_VERDICT, 0)][:2]
    if 2 * most > len(verdicts):
        return Vote(str(label), len(given) - most, missing)
    tied = given and (most == next_most or not missing)
    return Vote(TIE if tied else NO_VERDICT, 0, missing)


def majority_of_others(verdicts: Sequence[str | None], judge: int) -> str | None:
    """What the other judges say; None where they have no majority."""
    outcome = vote([verdict for index, verdict in enumerate(verdicts) if index != judge]).outcome
    return None if outcome in (TIE, NO_VERDICT) else outcome


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers by outcome. Ties and answers without a verdict count in `count`, and are not right."""

    correct: int
    incorrect: int
    ties: int
    no_verdict: int

    @property
    def count(self) -> int:
        """All answers."""
        return self.correct + self.incorrect + self.ties + self.no_verdict

    @property
    def accuracy(self) -> float | None:
        """The share of all answers that are correct; None of no answers."""
        return self.correct / self.count if self.count else None


def tally(outcomes: Iterable[str]) -> Tally:
    """Count outcomes. Raises ValueError for one that is none."""
    counts = Counter(outcomes)
    if unknown := set(counts) - {CORRECT, INCORRECT, TIE, NO_VERDICT}:
        raise ValueError(f"not an outcome: {', '.join(sorted(map(str, unknown)))}")
    return Tally(counts[CORRECT], counts[INCORRECT], counts[TIE], counts[NO_VERDICT])
