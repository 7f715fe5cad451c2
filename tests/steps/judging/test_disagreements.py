"""Which answers are worth reading, and that they come through the table of verdicts unchanged."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.host.csv_files import write_csv
from fmbench_lib.report.disagreements_page import Disagreement, Said
from fmbench_lib.report.evaluation_files import RAW
from fmbench_lib.steps.judging import disagreements
from fmbench_lib.steps.judging.disagreements import degree_of, write_disagreements
from fmbench_lib.workspace import Workspace


def answer(*verdicts: str, human: str = "") -> Disagreement:
    said = tuple(Said(f"j{number}", verdict, "") for number, verdict in enumerate(verdicts))
    return Disagreement("a", "m", "p", "q", "t", "x", said, human)


C, I, N = "correct", "incorrect", "no_verdict"  # noqa: E741


def test_answers_of_which_all_say_the_same_are_left_out() -> None:
    assert degree_of(answer(C, C, C)) is None
    assert degree_of(answer(I)) is None
    assert degree_of(answer(N, N)) is None
    assert degree_of(answer(C, C, human=C)) is None


def test_judges_against_a_person_come_first_then_even_splits_then_missing_verdicts() -> None:
    order = [answer(C, C, C, human=I), answer(C, I), answer(C, C, I), answer(C, N, N), answer(C, C, N)]
    degrees = [degree_of(one) for one in order]
    assert None not in degrees
    assert degrees == sorted(degrees, reverse=True)  # type: ignore[type-var]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    (tmp_path / "metrics").mkdir()
    general = SimpleNamespace(model_name="model", name="name")
    config = SimpleNamespace(general=general)
    return SimpleNamespace(workspace=Workspace(tmp_path), redactor=Redactor(), config=config)


def table(run: Any, *answers: tuple[str, str, tuple[str, ...]]) -> None:
    rows = [
        {
            "answer_id": answer_id,
            "experiments": "m",
            "payload_file": "p.jsonl",
            "question": "why?",
            "ground_truth": "NA",
            "candidate_response": text,
            "judge": f"judge {number}",
            "verdict": verdict,
            "verdict_said": verdict,
            "explanation": "=because",
            "error": None,
            "human_label": None,
        }
        for answer_id, text, verdicts in answers
        for number, verdict in enumerate(verdicts)
    ]
    write_csv(pd.DataFrame(rows), run.workspace.metrics(RAW))


def test_the_page_is_made_of_the_table_read_in_parts(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disagreements, "_ROWS", 2)  # the rows of an answer lie in two parts
    table(
        run, ("same", "all agree", (C, C, C)), ("split", "- a list\n=1+1", (C, I, I)), ("tie", "x" * 150_000, (C, I, N))
    )
    write_disagreements(run)
    page = run.workspace.disagreements.read_text(encoding="utf-8")
    assert "Judges disagree on 2 of 3 answers." in page
    assert page.index("answer tie") < page.index("answer split")
    assert "all agree" not in page
    assert "- a list\n=1+1</dd>" in page  # without the apostrophe that spreadsheets need
    assert "<td>=because</td>" in page
    assert "NA</dd>" in page


def test_only_the_most_split_are_shown(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disagreements, "MOST", 2)
    table(run, *((f"a{n}", "x", (C, C, I)) for n in range(3)), ("even", "x", (C, I, N)))
    write_disagreements(run)
    page = run.workspace.disagreements.read_text(encoding="utf-8")
    assert "Judges disagree on 4 of 4 answers. The 2 on which they disagree most are shown." in page
    assert page.index("answer even") < page.index("answer a0")  # equal ones in the order of the table


def test_without_two_judges_there_is_no_page(run: Any) -> None:
    run.workspace.disagreements.write_text("of an earlier analysis")
    write_disagreements(run)
    assert not run.workspace.disagreements.exists()
    table(run, ("one", "x", (C,)))
    write_disagreements(run)
    assert not run.workspace.disagreements.exists()
