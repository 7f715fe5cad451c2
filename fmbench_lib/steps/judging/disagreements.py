"""The answers on which judges disagree, from the table of what each judge said to a page."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

import pandas as pd

from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.host.csv_files import without_apostrophe
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.disagreements_page import Disagreement, Said, disagreements_page
from fmbench_lib.report.evaluation_files import RAW
from fmbench_lib.runs.run import Run

MOST = 100
"""Answers that the page shows."""
_ROWS = 2000


def write_disagreements(run: Run) -> None:
    """Write the page of the answers on which judges disagree; none where no two judges were asked about correctness."""
    table, page = run.workspace.metrics(RAW), run.workspace.disagreements
    if not table.exists():
        page.unlink(missing_ok=True)
        return
    judged, found, most_judges = 0, 0, 0
    worst: list[tuple[tuple[float, ...], int, Disagreement]] = []
    for answer in _answers(table):
        judged, most_judges = judged + 1, max(most_judges, len(answer.said))
        if (degree := degree_of(answer)) is None:
            continue
        found += 1
        heapq.heappush(worst, (degree, -judged, answer))
        if len(worst) > MOST:
            heapq.heappop(worst)
    if most_judges < 2 and not found:
        page.unlink(missing_ok=True)
        return
    shown = [answer for _, _, answer in sorted(worst, key=lambda each: each[:2], reverse=True)]
    title = run.config.general.model_name or run.config.general.name
    write_text(page, run.redactor.in_content(disagreements_page(title, shown, found, judged)))


def degree_of(answer: Disagreement) -> tuple[float, ...] | None:
    """How much an answer is worth reading, more first: judges against a person, then how evenly they are split, then
    how many gave no verdict; None where all who were asked say the same."""
    counts = Counter(said.verdict for said in answer.said)
    right, wrong = counts["correct"], counts["incorrect"]
    missing = len(answer.said) - right - wrong
    majority = "correct" if right > wrong else "incorrect" if wrong > right else "tie"
    against = bool(answer.human) and majority != answer.human
    if not against and (not missing or missing == len(answer.said)) and not (right and wrong):
        return None
    return float(against), min(right, wrong) / len(answer.said), missing / len(answer.said)


def _answers(table: Path) -> Iterator[Disagreement]:
    """The answers of the table, whose rows stand together for each, read in parts."""
    for answer_id, rows in groupby(_rows(table), key=lambda row: row["answer_id"]):
        yield _disagreement(answer_id, list(rows))


def _rows(table: Path) -> Iterable[Mapping[str, str]]:
    with pd.read_csv(table, dtype=str, keep_default_na=False, chunksize=_ROWS) as parts:
        for part in parts:
            yield from rows_of(part)


def _disagreement(answer_id: str, rows: list[Mapping[str, str]]) -> Disagreement:
    first = {name: without_apostrophe(text) for name, text in rows[0].items()}
    return Disagreement(
        answer_id=answer_id,
        experiments=first["experiments"],
        payload_file=first["payload_file"],
        question=first["question"],
        truths=first["ground_truth"],
        answer=first["candidate_response"],
        said=tuple(
            Said(without_apostrophe(row["judge"]), row["verdict"], without_apostrophe(row["explanation"]), row["error"])
            for row in rows
        ),
        human=first["human_label"],
    )
