"""A panel at work: every judge on every answer, batch by batch, with retries and a ceiling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.evaluation.asking.judge import Judge, Question
from fmbench_lib.evaluation.asking.one_round import Asking, ask, finish, recover
from fmbench_lib.evaluation.asking.spending import Ceiling, most_of
from fmbench_lib.evaluation.asking.verdict_store import VerdictRow, VerdictStore

_RETRIED = frozenset({"http_429", "http_5xx", "timeout", "connect", "truncated", "dns", "endpoint"})
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0

Questions = Callable[[Judge], Sequence[Question]]
"""The questions of one batch to a judge."""


@dataclass(slots=True)
class JudgeTally:
    """What became of the questions to one judge in this process; `retries` are requests beyond the first of each."""

    asked: int = 0
    kept: int = 0
    recovered: int = 0
    retries: int = 0
    failed: int = 0
    left_out: int = 0
    unconstrained: bool = False


@dataclass(slots=True)
class Panel:
    """The judges, where their verdicts are kept, and how much may be spent.

    `attempts` is the most requests for one judgement. `pause` waits so many seconds before a retry. `clean` takes
    secrets out of what judges say.
    """

    judges: Sequence[Judge]
    folder: Path
    ceiling: Ceiling
    redactor: Redactor
    attempts: int = 5
    pause: Callable[[float], None] = time.sleep
    tallies: dict[str, JudgeTally] = field(default_factory=dict)
    _stores: dict[str, VerdictStore] = field(default_factory=dict)

    def open(self) -> None:
        """Read what is kept, and keep what an earlier process left of its rounds."""
        for number, judge in enumerate(self.judges):
            store = VerdictStore(self.folder / f"judge-{number + 1}")
            self.tallies[judge.name] = JudgeTally(recovered=recover(self._asking(judge, store), store))
            self._stores[judge.name] = store
        self.ceiling.spent += sum(store.spent for store in self._stores.values())

    def judge(self, batches: Iterable[Questions]) -> None:
        """Ask every judge about every batch; the judges of one batch work at the same time.

        Once the ceiling is reached, nothing more is asked.
        """
        with ThreadPoolExecutor(max(len(self.judges), 1)) as pool:
            for questions in batches:
                if self.ceiling.reached:
                    break
                for _ in pool.map(lambda judge, batch=questions: self._ask(judge, batch(judge)), self.judges):
                    pass

    def verdicts(self, columns: list[str] | None = None) -> Iterable[dict[str, object]]:
        """Every row that is kept, all columns or these."""
        for store in self._stores.values():
            yield from store.rows(columns)

    def _asking(self, judge: Judge, store: VerdictStore) -> Asking:
        return Asking(judge, store.folder, self.redactor)

    def _ask(self, judge: Judge, questions: Sequence[Question]) -> None:
        store, tally = self._stores[judge.name], self.tallies[judge.name]
        wanted = {each.key: each for each in questions if each.key not in store.answered}
        tally.kept += len({each.key for each in questions}) - len(wanted)
        before = dict.fromkeys(wanted, 0)
        for turn in range(self.attempts):
            affordable = self._affordable(judge, wanted, tally)
            if not affordable:
                return
            if turn:
                self.pause(min(_FIRST_PAUSE_S * 2 ** (turn - 1), _LONGEST_PAUSE_S))
                tally.retries += len(affordable)
            else:
                tally.asked += len(affordable)
            wanted = self._turn(judge, store, affordable, before, last=turn + 1 == self.attempts)
        tally.failed += len(wanted)

    def _affordable(self, judge: Judge, wanted: dict[str, Question], tally: JudgeTally) -> list[Question]:
        """The questions that the ceiling has room for, which is reserved for them."""
        chosen: list[Question] = []
        for each in wanted.values():
            if not self.ceiling.reserve(most_of(judge.price, each.prompt, judge.max_tokens, judge.timeout)):
                tally.left_out += len(wanted) - len(chosen)
                break
            chosen.append(each)
        return chosen

    def _turn(
        self, judge: Judge, store: VerdictStore, questions: list[Question], before: dict[str, int], *, last: bool
    ) -> dict[str, Question]:
        """One round; returns the questions to ask again."""
        tally, asking = self.tallies[judge.name], self._asking(judge, store)
        constrain = bool(judge.constrained) and not tally.unconstrained
        rows = {
            row["key"]: row for row in ask(asking, questions, [before[q.key] for q in questions], constrain=constrain)
        }
        again: dict[str, Question] = {}
        for each in questions:
            row = rows.get(each.key)
            cost = None if row is None else row["cost"]
            self.ceiling.settle(most_of(judge.price, each.prompt, judge.max_tokens, judge.timeout), cost)
            before[each.key] += 1
            if row is None or self._wants_retry(row, constrain=constrain, tally=tally):
                again[each.key] = each
        kept = [row for row in rows.values() if last or row["key"] not in again]
        finish(asking, store, kept)
        return again

    def _wants_retry(self, row: VerdictRow, *, constrain: bool, tally: JudgeTally) -> bool:
        if row["error"] == "http_4xx" and constrain:
            tally.unconstrained = True  # the server may not know the constraint
            return True
        return row["error"] in _RETRIED
