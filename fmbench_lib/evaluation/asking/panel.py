"""A panel at work: every judge on every answer, batch by batch, with retries and a ceiling."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.evaluation.asking.embedding_spending import embedding_stores
from fmbench_lib.evaluation.asking.judge import Judge, Question, told_apart
from fmbench_lib.evaluation.asking.key_index import short_key
from fmbench_lib.evaluation.asking.one_round import Asking, ask, recover
from fmbench_lib.evaluation.asking.retries import RETRIED, pause_before
from fmbench_lib.evaluation.asking.spending import Ceiling, most_of, spent_on
from fmbench_lib.evaluation.asking.verdict_store import StoredVerdict, VerdictRow, VerdictStore, every_store, store_of

Questions = Callable[[Judge], Sequence[Question]]
"""The questions of one batch to a judge."""


@dataclass(slots=True)
class JudgeTally:
    """What became of the questions to one judge in this process; `retries` are requests beyond the first of each.
    `asked_to_wait`: the longest `Retry-After` of the last round, in seconds."""

    asked: int = 0
    kept: int = 0
    recovered: int = 0
    retries: int = 0
    failed: int = 0
    left_out: int = 0
    unconstrained: bool = False
    asked_to_wait: float = 0.0


@dataclass(slots=True)
class Panel:
    """The judges, where their verdicts are kept, and how much may be spent.

    `attempts` is the most requests for one judgement. `pause` waits so many seconds before a retry. `redactor` takes
    secrets out of what judges say.
    """

    judges: Sequence[Judge]
    folder: Path
    ceiling: Ceiling
    redactor: Redactor
    attempts: int = 5
    pause: Callable[[float], object] | None = None
    tallies: dict[str, JudgeTally] = field(default_factory=dict)
    _stores: dict[str, VerdictStore] = field(default_factory=dict)
    _asked: dict[str, array[int]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def open(self) -> None:
        """Read what is kept, and keep what an earlier process left of its rounds."""
        self.judges = told_apart(self.judges)
        for judge in self.judges:
            store = VerdictStore(store_of(self.folder, judge.id))
            self._stores[judge.name], self._asked[judge.name] = store, array("Q")
            self.tallies[judge.name] = JudgeTally(recovered=recover(self._asking(judge)))
        self.ceiling.spent += sum(store.spent for store in self._bought())

    def stores(self) -> Iterator[tuple[str | None, VerdictStore]]:
        """What is kept of each judge, with its name, and then of those that are no longer on the panel."""
        yield from self._stores.items()
        ours = {store.folder for store in self._stores.values()}
        yield from ((None, VerdictStore(folder)) for folder in every_store(self.folder) if folder not in ours)

    @property
    def spent(self) -> float | None:
        """USD of all evaluations of this run, also what embedding texts cost and what may have been spent; None where a
        price is not known."""
        stores = self._bought()
        return None if any(store.unpriced for store in stores) else sum(store.spent for store in stores)

    def _bought(self) -> list[VerdictStore]:
        return [*(store for _, store in self.stores()), *embedding_stores(self.folder)]

    def judge(self, batches: Iterable[Questions]) -> None:
        """Ask every judge about every batch; the judges of one batch work at the same time.

        Once the ceiling is reached, nothing more is asked.
        """
        with ThreadPoolExecutor(max(len(self.judges), 1)) as pool:
            try:
                for questions in batches:
                    for _ in pool.map(lambda judge, batch=questions: self._ask(judge, batch(judge)), self.judges):
                        pass
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Give up: judges are asked nothing more, and what is in flight is waited for and kept."""
        self._stop.set()

    def counted(self, judge: str, form: str, columns: list[str]) -> Iterator[StoredVerdict]:
        """The rows of a judge that count, in the order of asking: of each question that was put in this process, that
        of its answer, else its last failure."""
        wanted = [*dict.fromkeys(("form", *columns))]
        for row in self._stores[judge].counted(self._asked[judge], wanted):
            if row["form"] == form:
                yield {**row, "judge": judge}

    def _asking(self, judge: Judge) -> Asking:
        return Asking(judge, self._stores[judge.name], self.redactor, self._stop.is_set)

    def _ask(self, judge: Judge, questions: Sequence[Question]) -> None:
        store, tally = self._stores[judge.name], self.tallies[judge.name]
        unique = list({each.key: each for each in questions}.values())
        self._asked[judge.name].extend(short_key(each.key) for each in unique)
        answered = store.answered([each.key for each in unique])
        waiting = {each.key: each for each, known in zip(unique, answered, strict=True) if not known}
        tally.kept += len(unique) - len(waiting)
        before = dict.fromkeys(waiting, 0)
        while waiting:
            some = self._affordable(judge, list(waiting.values()))
            if not some:
                tally.left_out += len(waiting)
                return
            self._wait_before(some, before, tally.asked_to_wait)
            again = self._turn(judge, some, before)
            for each in some:
                if each.key in again and before[each.key] < self.attempts:
                    continue
                del waiting[each.key]
                tally.failed += each.key in again

    def _affordable(self, judge: Judge, questions: Sequence[Question]) -> Sequence[Question]:
        """The first of the questions, as many as the ceiling has room for, which is reserved for them."""
        return questions[: self.ceiling.reserve([_most(judge, each) for each in questions])]

    def _wait_before(self, questions: Sequence[Question], before: dict[str, int], asked_for: float) -> None:
        """Wait where one of the questions was asked already, longer each time, or as long as the judge said."""
        tries = max(before[each.key] for each in questions)
        if tries:
            pause = self._stop.wait if self.pause is None else self.pause
            pause(pause_before(tries, asked_for))

    def _turn(self, judge: Judge, questions: Sequence[Question], before: dict[str, int]) -> set[str]:
        """One round; returns the keys of the questions to ask again, those that cannot be answered too."""
        tally, rows = self.tallies[judge.name], {}
        constrain = bool(judge.constrained) and not tally.unconstrained
        tally.retries += sum(before[each.key] > 0 for each in questions)
        tally.asked += sum(before[each.key] == 0 for each in questions)
        try:
            attempts = [before[each.key] for each in questions]
            rows = {row["key"]: row for row in ask(self._asking(judge), questions, attempts, constrain=constrain)}
        finally:
            amounts = (spent_on(row["error"], row["cost"], row["cost_at_most"]) for row in rows.values())
            known = sum(amount for amount in amounts if amount is not None)
            self.ceiling.settle([_most(judge, each) for each in questions], known)
        tally.asked_to_wait = max((row["retry_after"] or 0.0 for row in rows.values()), default=0.0)
        again = set()
        for each in questions:
            before[each.key] += 1
            row = rows.get(each.key)
            if row is None or row["error"] is not None:
                again.add(each.key)
                if row is not None and not self._wants_retry(row, constrain=constrain, tally=tally):
                    before[each.key] = self.attempts
        return again

    def _wants_retry(self, row: VerdictRow, *, constrain: bool, tally: JudgeTally) -> bool:
        if row["error"] == "http_4xx" and constrain:
            tally.unconstrained = True  # the server may not know the constraint
            return True
        return row["error"] in RETRIED


def _most(judge: Judge, question: Question) -> float | None:
    return most_of(judge.price, question.prompt, judge.max_tokens, judge.timeout)
