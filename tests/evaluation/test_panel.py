"""Judges that are asked for real: retries, what is kept, the ceiling."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.evaluation.asking import one_round
from fmbench_lib.evaluation.asking.judge import Judge, Question, question_to
from fmbench_lib.evaluation.asking.panel import Panel
from fmbench_lib.evaluation.asking.retries import pause_before, retry_after
from fmbench_lib.evaluation.asking.spending import Ceiling
from fmbench_lib.evaluation.judging.constraints import constraint
from fmbench_lib.evaluation.judging.forms import Form
from fmbench_lib.evaluation.judging.judge_prompts import JudgeTexts, Material
from fmbench_lib.load.sending import engine
from fmbench_lib.load.sending.worker_processes import WorkerProcess
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


def rows_of(panel: Panel, name: str = "one") -> list[dict[str, object]]:
    """The rows of a judge that count."""
    return list(panel.counted(name, "correctness", ["key", "label", "error", "attempts", "cost", "cost_at_most"]))


def test_every_judge_is_asked_once_and_verdicts_are_kept(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, '{"verdict": "correct"}')) as served:
        judges = [a_judge(served.url, name) for name in ("one", "two")]
        panel = a_panel(tmp_path, *judges)
        panel.judge([questions])
        again = a_panel(tmp_path, *judges)
        again.judge([questions])
        assert len(served.asked) == 12
        assert "response_format" in served.bodies[0]
    rows = [*rows_of(again, "one"), *rows_of(again, "two")]
    assert {(row["judge"], row["label"]) for row in rows} == {("one", "correct"), ("two", "correct")}
    assert len(rows) == 12
    assert again.ceiling.spent == pytest.approx(12 * 0.2)  # 100 tokens in, 10 out
    assert again.tallies["one"].kept == 6


def test_half_a_character_in_an_explanation_costs_no_verdict(tmp_path: Path) -> None:
    """JSON can spell it, and no file can hold it."""
    words = '{"explanation": "so \\ud800 it is", "verdict": "correct"}'
    with scripted_judge(lambda _prompt, _: (200, words)) as served:
        panel = a_panel(tmp_path, a_judge(served.url))
        panel.judge([questions])
    (said,) = {str(row["explanation"]) for row in panel.counted("one", "correctness", ["explanation"])}
    assert said == "so \ufffd it is"


def test_what_is_refused_is_asked_again_and_counted(tmp_path: Path) -> None:
    def throttled(_prompt: str, before: int) -> tuple[int, str]:
        return (429, "slow down") if before < 2 else (200, "verdict: incorrect")

    with scripted_judge(throttled) as served:
        panel, pauses = a_panel(tmp_path, a_judge(served.url, constrained={})), list[float]()
        panel.pause = pauses.append
        panel.judge([questions])
    assert pauses == [3.0, 3.0]  # as the judge says, where that is longer than 1 and 2 s
    assert {(row["label"], row["attempts"]) for row in rows_of(panel)} == {("incorrect", 3)}
    assert panel.tallies["one"].retries == 12


def test_how_long_is_waited_before_a_request_is_repeated() -> None:
    assert [pause_before(tries) for tries in (1, 2, 3, 6, 2000)] == [1.0, 2.0, 4.0, 30.0, 30.0]
    assert [pause_before(2, asked) for asked in (1.0, 50.0, 3600.0)] == [2.0, 50.0, 120.0]
    assert retry_after([("Retry-After", " 7 ")]) == 7.0
    assert retry_after([("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")]) is None
    assert retry_after([("retry-after", "-1")]) is None
    assert retry_after([]) is None


def test_a_judge_that_never_answers_gives_no_verdict_and_is_asked_by_the_next_evaluation(tmp_path: Path) -> None:
    with scripted_judge(lambda _prompt, before: (503, "down")) as served:
        panel = a_panel(tmp_path, a_judge(served.url, constrained={}))
        panel.judge([lambda judge: questions(judge, 1)])
        assert len(served.asked) == 5
    (row,) = rows_of(panel)
    assert (row["label"], row["error"], row["attempts"], row["cost"]) == (None, "http_5xx", 5, None)
    assert panel.tallies["one"].failed == 1
    assert dict(panel.stores())["one"].judgements == (0, 1)
    with scripted_judge(lambda _prompt, before: (200, "correct")) as served:
        again = a_panel(tmp_path, a_judge(served.url, constrained={}))
        again.judge([lambda judge: questions(judge, 1)])
    assert dict(again.stores())["one"].judgements == (1, 0)
    assert [row["label"] for row in rows_of(again)] == ["correct"]


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
    assert {row["label"] for row in rows_of(panel)} == {"correct"}
    assert panel.tallies["one"].unconstrained


def test_the_ceiling_is_never_exceeded_and_used_as_far_as_it_goes(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, '{"verdict": "correct"}')) as served:
        judges = [a_judge(served.url, name) for name in ("one", "two")]
        panel = a_panel(tmp_path, *judges, limit=3.0)  # a question costs 0.2 USD, and at most about 1.1
        panel.judge([lambda judge: questions(judge, 10)] * 3)
        asked = len(served.asked)
    assert 8 <= asked <= 14
    assert panel.ceiling.spent == pytest.approx(asked * 0.2)
    assert panel.ceiling.reached
    assert sum(tally.left_out for tally in panel.tallies.values()) > 0
    assert len(rows_of(panel, "one")) + len(rows_of(panel, "two")) >= asked


def test_a_judge_without_a_price_is_not_asked_below_a_ceiling(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, "correct")) as served:
        panel = a_panel(tmp_path, a_judge(served.url, price=None), limit=1.0)
        panel.judge([questions])
        assert served.asked == []


def test_what_was_bought_counts_above_a_ceiling_too(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, '{"verdict": "correct"}')) as served:
        a_panel(tmp_path, a_judge(served.url)).judge([questions])
        poor = a_panel(tmp_path, a_judge(served.url), limit=0.5)
        poor.judge([questions, lambda judge: questions(judge, 8)])
        assert len(served.asked) == 6
    assert len({row["key"] for row in rows_of(poor)}) == 6
    assert poor.tallies["one"].left_out == 2


def test_a_judge_is_known_by_what_its_verdicts_depend_on(tmp_path: Path) -> None:
    with scripted_judge(lambda prompt, _: (200, '{"verdict": "correct"}')) as served:
        one, two = a_judge(served.url, "one"), a_judge(served.url, "two", texts=JudgeTexts("Judge: {answer}"))
        a_panel(tmp_path, one, two).judge([questions])
        turned = a_panel(tmp_path, replace(two, name="second"), replace(one, name="first"))
        turned.judge([questions])
        assert len(served.asked) == 12
        assert len(rows_of(turned, "first")) == len(rows_of(turned, "second")) == 6
        stricter = a_panel(tmp_path, replace(one, texts=JudgeTexts(rules="Be strict.")))
        stricter.judge([questions])
        assert len(served.asked) == 18
    assert stricter.ceiling.spent == pytest.approx(18 * 0.2)  # what earlier judges cost is spent all the same
    assert [name for name, _ in stricter.stores()] == ["one", None, None]


def test_a_question_that_is_put_no_more_does_not_count(tmp_path: Path) -> None:
    with scripted_judge(
        lambda prompt, _: (200, f'{{"verdict": "{"in" if "better" in prompt else ""}correct"}}')
    ) as served:
        judge = a_judge(served.url)
        a_panel(tmp_path, judge).judge([questions])
        other = Material("A better question?", (), ("answer 0",))
        panel = a_panel(tmp_path, judge)
        panel.judge([lambda judge: [question_to(judge, FORM, "0", other, seed=1)]])
    assert [(row["label"]) for row in rows_of(panel)] == ["incorrect"]


def test_what_is_whole_of_a_round_that_was_killed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_judge(lambda prompt, _: (200, '{"verdict": "correct"}')) as served:
        judge = a_judge(served.url)
        with monkeypatch.context() as killed:
            killed.setattr(one_round, "_keep", lambda *_: [])  # the process is killed before it keeps anything
            a_panel(tmp_path, judge).judge([questions])
        assert len(served.asked) == 30  # five times each, as nothing seemed to come
        rounds = sorted(tmp_path.rglob(".round-*"))
        for later in rounds[1:]:
            one_round.shutil.rmtree(later)
        (spool,) = tmp_path.rglob("*.spool")
        spool.write_bytes(spool.read_bytes()[:-7])  # the last record was being written
        panel = a_panel(tmp_path, judge)
        panel.judge([questions])
        assert len(served.asked) == 31
    assert panel.tallies["one"].recovered == 5
    assert len(rows_of(panel)) == 6
    assert not list(tmp_path.rglob(".round-*"))
    lost = [row for row in dict(panel.stores())["one"].rows() if row["error"] is not None]
    assert [(row["error"], row["cost"]) for row in lost] == [("cancelled", None)]
    assert panel.ceiling.spent == pytest.approx(6 * 0.2 + float(lost[0]["cost_at_most"]))


def test_what_is_in_flight_when_judging_is_given_up_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, answer, end_workers = threading.Event(), threading.Event(), engine.end_workers

    def told_first(workers: Sequence[WorkerProcess], patience: float) -> None:
        for worker in workers:
            worker.stdin.close()
        answer.set()  # the answers come when the worker knows that there are to be no more
        end_workers(workers, patience)

    monkeypatch.setattr(engine, "end_workers", told_first)

    def slow(_prompt: str, _before: int) -> tuple[int, str]:
        begun.set()
        answer.wait(30)
        return 200, '{"verdict": "correct"}'

    def interrupted() -> object:
        yield questions
        raise AssertionError("the second batch is never asked for")

    with scripted_judge(slow) as served:
        judge = a_judge(served.url, concurrency=2)
        panel = a_panel(tmp_path, judge)
        waiting = threading.Thread(target=lambda: (begun.wait(30), panel.stop()))
        waiting.start()
        with pytest.raises(one_round.StoppedError):
            panel.judge(interrupted())
        waiting.join()
        asked = len(served.asked)
        assert 1 <= asked <= 2
        again = a_panel(tmp_path, judge)
        assert again.tallies["one"].recovered == asked
        again.judge([questions])
        assert len(served.asked) == 6


CHILD = """
import sys
from pathlib import Path
from tests.evaluation.test_panel import a_judge, a_panel, questions
a_panel(Path(sys.argv[1]), a_judge(sys.argv[2], concurrency=2)).judge([questions])
"""


def test_the_answers_in_flight_when_the_evaluation_is_killed_are_not_bought_again(tmp_path: Path) -> None:
    both, answer = threading.Semaphore(0), threading.Event()

    def slow(_prompt: str, _before: int) -> tuple[int, str]:
        both.release()
        answer.wait(30)
        return 200, '{"verdict": "correct"}'

    with scripted_judge(slow) as served:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), served.url],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert both.acquire(timeout=60)
        assert both.acquire(timeout=60)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        threading.Timer(0.3, answer.set).start()  # the next evaluation begins before the answers are there
        panel = a_panel(tmp_path, a_judge(served.url))
        assert panel.tallies["one"].recovered == 2
        panel.judge([questions])
        assert len(served.asked) == 6
    assert {row["label"] for row in rows_of(panel)} == {"correct"}


def test_a_worker_that_is_killed_costs_what_it_had_in_flight(tmp_path: Path) -> None:
    answer, folder = threading.Event(), tmp_path

    def kills_once(_prompt: str, before: int) -> tuple[int, str]:
        if not answer.is_set():
            answer.set()
            for plan in folder.rglob("worker-0.json"):
                os.kill(worker_of(plan), signal.SIGKILL)
        return 200, '{"verdict": "correct"}'

    with scripted_judge(kills_once) as served:
        panel = a_panel(tmp_path, a_judge(served.url, concurrency=1))
        panel.judge([questions])
        assert len(served.asked) == 7
    assert len(rows_of(panel)) == 6
    errors = [row["error"] for row in dict(panel.stores())["one"].rows() if row["error"] is not None]
    assert errors == ["cancelled"]


def worker_of(plan: Path) -> int:
    """The process that was started with a plan."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        if str(plan).encode() in entry.read_bytes():
            return int(entry.parent.name)
    raise AssertionError("there is no worker")
