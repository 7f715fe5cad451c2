"""Judges that are asked for real: retries, what is kept, the ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.evaluation.asking.judge import Judge, Question, question_to
from fmbench_lib.evaluation.asking.one_round import Asking, ask
from fmbench_lib.evaluation.asking.panel import Panel
from fmbench_lib.evaluation.asking.spending import Ceiling
from fmbench_lib.evaluation.asking.verdict_store import VerdictStore, last_rows
from fmbench_lib.evaluation.judging.constraints import constraint
from fmbench_lib.evaluation.judging.forms import Form
from fmbench_lib.evaluation.judging.judge_prompts import Material
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.pricing.price_list import Origin, TokenPrice
from tests.evaluation.scripted_judge import scripted_judge

FORM = Form("correctness")
PRICE = TokenPrice("judge", 1.0, 10.0, Origin("test"))


def a_judge(url: str, name: str = "one", **more: object) -> Judge:
    plain = OpenAiPredictor(url, "judge", {"max_tokens": 20}, stream=False)
    told = OpenAiPredictor(url, "judge", constraint("openai", FORM.schema), stream=False)
    values = {"name": name, "urls": (url,), "plain": plain, "constrained": {"correctness": told}, "price": PRICE}
    return Judge(**{**values, "max_tokens": 20, **more})  # type: ignore[arg-type]


def questions(judge: Judge, count: int = 6) -> Sequence[Question]:
    return [
        question_to(judge, FORM, str(number), Material(f"Q{number}?", (), (f"answer {number}",)), seed=1)
        for number in range(count)
    ]


def a_panel(folder: Path, *judges: Judge, limit: float | None = None) -> Panel:
    panel = Panel(judges, folder, Ceiling(limit), Redactor(), pause=lambda _: None)
    panel.open()
    return panel


def test_every_judge_is_asked_once_and_verdicts_are_kept(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, '{"verdict": "correct"}')) as served:
        judges = [a_judge(served.url, name) for name in ("one", "two")]
        panel = a_panel(tmp_path, *judges)
        panel.judge([questions])
        again = a_panel(tmp_path, *judges)
        again.judge([questions])
        assert len(served.asked) == 12
        assert "response_format" in served.bodies[0]
    rows = list(again.verdicts())
    assert {(row["judge"], row["label"]) for row in rows} == {("one", "correct"), ("two", "correct")}
    assert len(rows) == 12
    assert again.ceiling.spent == pytest.approx(12 * 0.2)  # 100 tokens in, 10 out
    assert again.tallies["one"].kept == 6


def test_what_is_refused_is_asked_again_and_counted(tmp_path: Path) -> None:
    def throttled(_prompt: str, before: int) -> tuple[int, str]:
        return (429, "slow down") if before < 2 else (200, "verdict: incorrect")

    with scripted_judge(throttled) as served:
        panel = a_panel(tmp_path, a_judge(served.url, constrained={}))
        panel.judge([questions])
    rows = last_rows(panel.verdicts())
    assert {(row["label"], row["attempts"]) for row in rows.values()} == {("incorrect", 3)}
    assert panel.tallies["one"].retries == 12


def test_a_judge_that_never_answers_gives_no_verdict_and_is_asked_by_the_next_evaluation(tmp_path: Path) -> None:
    with scripted_judge(lambda _prompt, before: (503, "down")) as served:
        panel = a_panel(tmp_path, a_judge(served.url, constrained={}))
        panel.judge([lambda judge: questions(judge, 1)])
        assert len(served.asked) == 5
    (row,) = last_rows(panel.verdicts()).values()
    assert (row["label"], row["error"], row["attempts"], row["cost"]) == (None, "http_5xx", 5, None)
    assert panel.tallies["one"].failed == 1
    assert VerdictStore(tmp_path / "judge-1").answered == set()


def test_a_server_that_does_not_know_the_constraint_is_asked_without(tmp_path: Path) -> None:
    served_bodies = []

    def refuses(_prompt: str, _before: int) -> tuple[int, str]:
        return (
            (400, "response_format unknown") if "response_format" in served_bodies[-1].bodies[-1] else (200, "correct")
        )

    with scripted_judge(refuses) as served:
        served_bodies.append(served)
        panel = a_panel(tmp_path, a_judge(served.url, concurrency=1))
        panel.judge([questions])
    assert {row["label"] for row in last_rows(panel.verdicts()).values()} == {"correct"}
    assert panel.tallies["one"].unconstrained


def test_the_ceiling_is_never_exceeded(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, '{"verdict": "correct"}')) as served:
        judge = a_judge(served.url)
        panel = a_panel(tmp_path, judge, limit=3.0)  # a question costs at most about 1.1 USD, and 0.2 in truth
        panel.judge([questions] * 3)
        asked = len(served.asked)
    assert 0 < asked < 6
    assert panel.ceiling.spent == pytest.approx(asked * 0.2)
    assert panel.ceiling.reached
    assert panel.tallies["one"].left_out > 0


def test_a_judge_without_a_price_is_not_asked_below_a_ceiling(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, "correct")) as served:
        panel = a_panel(tmp_path, a_judge(served.url, price=None), limit=1.0)
        panel.judge([questions])
        assert served.asked == []


def test_what_is_whole_of_a_round_that_was_killed_is_kept(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, '{"verdict": "correct"}')) as served:
        judge = a_judge(served.url)
        ask(Asking(judge, tmp_path / "judge-1", Redactor()), questions(judge), [0] * 6, constrain=True)
        (spool,) = tmp_path.rglob("*.spool")
        spool.write_bytes(spool.read_bytes()[:-7])  # the last record was being written
        panel = a_panel(tmp_path, judge)
        panel.judge([questions])
        assert len(served.asked) == 7
    assert panel.tallies["one"].recovered == 5
    assert len(last_rows(panel.verdicts())) == 6
    assert not list(tmp_path.rglob(".round-*"))
