"""Scores and similarities are kept from one evaluation to the next, as long as all that they depend on is the same."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.emulator.faults import parse_fault_rule
from fmbench_lib.evaluation import scoring
from fmbench_lib.evaluation.asking.embedding import Embedding, Vectors, endpoint_embedding, similarities
from fmbench_lib.evaluation.asking.embedding_spending import Embedded, EmbeddingSpending, embedding_store
from fmbench_lib.evaluation.asking.judge import Judge
from fmbench_lib.evaluation.asking.panel import Panel
from fmbench_lib.evaluation.asking.spending import Ceiling
from fmbench_lib.evaluation.given_answers import Answer
from fmbench_lib.evaluation.kept_rows import KeptRows
from fmbench_lib.evaluation.scores.text_scores import SCORES, exact_match
from fmbench_lib.evaluation.scoring import Scoring, read_scores, write_scores
from fmbench_lib.host.task_pool import ThisProcess
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.pricing.price_list import Origin, TokenPrice
from fmbench_lib.steps.judging.evaluation_tables import cost_rows

ANSWERS = (("a", ("Paris",), "paris"), ("b", ("Rome", "roma"), "It is Rome"), ("c", (), "why?"))


def write_answers(path: Path, answers: Sequence[tuple[str, tuple[str, ...], str]] = ANSWERS) -> Path:
    rows = [
        {"answer_id": name, "payload_file": "p", "prompt_id": name, "question": "q", "truths": list(truths),
         "context": "why?", "text": text, "kind": "answer"}
        for name, truths, text in answers
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The answers whose scores were computed."""
    seen: list[str] = []

    def counted(answer: str, truths: Sequence[str]) -> dict[str, float | None]:
        seen.append(answer)
        return {name: compare(answer, truths[0]) for name, compare in SCORES.items()}

    monkeypatch.setattr(scoring, "text_scores", counted)
    return seen


def by_length(asked: list[str], without: Sequence[str] = ()) -> Embedding:
    """Vectors of a text's length and 1, but for some texts."""

    def embed(texts: Sequence[str]) -> Vectors:
        asked.extend(texts)
        return [None if text in without else [float(len(text)), 1.0] for text in texts]

    return Embedding("length", embed)


def test_scores_are_computed_once_and_read_back_the_same(tmp_path: Path, computed: list[str]) -> None:
    answers, target = write_answers(tmp_path / "answers.parquet"), tmp_path / "scores.parquet"
    write_scores(Scoring(), answers, target)
    first = read_scores(target)
    write_scores(Scoring(), answers, target)
    assert computed == ["paris", "It is Rome", "why?"]
    assert read_scores(target).equals(first)
    assert first.loc["a", "exact_match"] == first.loc["c", "exact_match"] == 1.0
    assert first["against"].tolist() == ["ground truth", "ground truth", "context"]
    assert first["schema_valid"].isna().all()


def test_only_what_is_new_is_computed(tmp_path: Path, computed: list[str]) -> None:
    answers, target = tmp_path / "answers.parquet", tmp_path / "scores.parquet"
    write_scores(Scoring(), write_answers(answers), target)
    changed = [*ANSWERS[:2], ("c", ("why?",), "why?"), ("d", ("Oslo",), "Oslo"), ("e", ("Paris",), "paris")]
    write_scores(Scoring(), write_answers(answers, changed), target)
    assert computed[3:] == ["why?", "Oslo"]  # one has a truth now, one is new; `e` says what `a` says
    assert read_scores(target)["exact_match"].tolist() == [1.0, 0.0, 1.0, 1.0, 1.0]


def test_another_way_to_score_computes_again(
    tmp_path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, target = write_answers(tmp_path / "answers.parquet"), tmp_path / "scores.parquet"
    write_scores(Scoring(), answers, target)
    write_scores(Scoring(schema={"type": "object"}), answers, target)
    assert read_scores(target)["schema_valid"].tolist() == [0.0, 0.0, 0.0]
    assert len(computed) == 6
    versions = dict.fromkeys(scoring._LIBRARIES, "9.9")
    monkeypatch.setattr(scoring, "_version", versions.get)
    write_scores(Scoring(), answers, target)
    assert len(computed) == 9
    monkeypatch.setattr(scoring.inspect, "getsource", lambda _module: "another formula")
    write_scores(Scoring(), answers, target)
    assert len(computed) == 12
    monkeypatch.setitem(SCORES, "another", exact_match)
    assert scoring.text_scores_id(None) != scoring.text_scores_id({})


def test_texts_are_embedded_once_and_those_without_a_vector_again(tmp_path: Path) -> None:
    answers, target = write_answers(tmp_path / "answers.parquet"), tmp_path / "scores.parquet"
    asked: list[str] = []
    write_scores(Scoring(by_length(asked, without=["roma"])), answers, target)
    assert read_scores(target)["cosine_similarity"].isna().tolist() == [False, True, False]
    asked.clear()
    write_scores(Scoring(by_length(asked)), answers, target)
    assert asked == ["It is Rome", "Rome", "roma"]
    near = read_scores(target)["cosine_similarity"]
    assert near.tolist() == pytest.approx([1.0, (10 * 4 + 1) / (101 * 17) ** 0.5, 1.0])
    asked.clear()
    write_scores(Scoring(by_length(asked)), answers, target)
    assert asked == []
    assert read_scores(target)["cosine_similarity"].equals(near)
    write_scores(Scoring(Embedding("another model", by_length(asked).embed)), answers, target)
    assert len(asked) == 6
    write_scores(Scoring(), answers, target)
    assert read_scores(target)["cosine_similarity"].isna().all()


def test_a_truth_without_a_vector_makes_the_similarity_unknown() -> None:
    answer = Answer("a", "p", "a", "q", ("near", "far away"), "c", "near", "answer")
    assert similarities(by_length([]).embed, [answer]) == pytest.approx([1.0])
    assert similarities(by_length([], without=["far away"]).embed, [answer]) == [None]
    assert similarities(by_length([], without=["near"]).embed, [answer]) == [None]


def test_rows_are_found_in_whichever_part_they_are(tmp_path: Path) -> None:
    kept = KeptRows(tmp_path / "rows", ["x", "y"])
    one, two, three = (digit * 32 for digit in "123")
    assert kept.find([one]) == [None]
    kept.keep({one: {"x": 1.0, "y": None}})
    kept.keep({})
    kept.keep({two: {"x": 2.0, "y": 0.0}})
    again = KeptRows(tmp_path / "rows", ["x", "y"])
    for rows in (kept, again):
        assert rows.find([two, three, one]) == [{"x": 2.0, "y": 0.0}, None, {"x": 1.0, "y": None}]


PRICE = TokenPrice("embedder", 2.0, 9.0, Origin("test"))


def embedder(url: str, folder: Path, limit: float | None = None, attempts: int = 5) -> tuple[Embedding, Any]:
    """An endpoint of embeddings at 2 USD per 1,000 tokens, and what counts its requests."""
    url = url.replace("/chat/completions", "/embeddings")
    endpoint = Judge("embeddings", (url,), OpenAiPredictor(url, "m", {}, stream=False), concurrency=2, price=PRICE)
    spending = EmbeddingSpending(endpoint, embedding_store(folder, "e"), Ceiling(limit), Redactor())
    return endpoint_embedding(endpoint, "e", attempts, spending, lambda _seconds: None), spending


def refusing(**faults: str) -> Behaviour:
    rules = tuple(parse_fault_rule(f"{kind}:{rule}") for kind, rule in faults.items())
    return Behaviour(ttft=Constant(0.001), faults=rules)


def test_an_embedding_that_is_refused_is_asked_for_again(tmp_path: Path) -> None:
    pauses: list[float] = []
    texts = [f"text {'word ' * number}" for number in range(1, 12)]
    with launch(refusing(rate_limit="seconds=1,every=3")) as emulator:
        _, spending = embedder(emulator.url, tmp_path)
        vectors = endpoint_embedding(spending.endpoint, "e", 5, spending, pauses.append).embed(texts)
        alone = endpoint_embedding(spending.endpoint, "e", 1, spending, pauses.append).embed(texts)
    assert None not in vectors
    assert len({tuple(vector or ()) for vector in vectors}) > 1
    assert pauses == [1.0, 2.0, 4.0]  # requests 3, 6 and 9 are refused, then 12, then 15
    assert 3 <= alone.count(None) <= 4
    assert [a for a in alone if a is not None] == [v for v, a in zip(vectors, alone, strict=True) if a is not None]


def costs_of(folder: Path) -> dict[str, Any]:
    panel = Panel([], folder, Ceiling(None), Redactor())
    panel.open()
    (row,) = cost_rows(panel)
    assert panel.ceiling.spent == pytest.approx(row["cost"] + row["unanswered_cost_at_most"])
    return row


def test_what_embedding_texts_takes_is_counted(tmp_path: Path) -> None:
    with launch(refusing(rate_limit="seconds=1,every=3")) as emulator:
        embedding, spending = embedder(emulator.url, tmp_path)
        embedding.embed(["one", "one two", "one two three"])
        ledger = emulator.ledger()
    tokens = sum(entry.prompt_tokens for entry in ledger if entry.status == 200)
    assert tokens >= 6
    row = costs_of(tmp_path)
    assert (row["judge"], row["judgements"], row["texts_embedded"], row["failed"]) == ("embeddings", None, 3, 0)
    assert row["retries"] == len(ledger) - 3 == 1
    assert (row["prompt_tokens"], row["completion_tokens"]) == (tokens, None)
    assert row["cost"] == pytest.approx(tokens * 2.0 / 1000) == pytest.approx(spending.ceiling.spent)
    assert row["unanswered_cost_at_most"] == 0


def test_no_more_texts_are_embedded_than_the_ceiling_has_room_for(tmp_path: Path) -> None:
    texts = ["one", "two", "three", "four"]
    most = [(len(text) + 64) * 2.0 / 1000 for text in texts]
    with launch(refusing()) as emulator:
        embedding, spending = embedder(emulator.url, tmp_path, limit=sum(most[:2]) + 1e-6)
        vectors = embedding.embed(texts)
        assert len(emulator.ledger()) == 2
    assert [vector is None for vector in vectors] == [False, False, True, True]
    assert spending.left_out == 2
    assert 0 < spending.ceiling.spent < sum(most[:2])


def test_texts_in_flight_when_the_process_dies_may_have_cost_something(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    with launch(refusing()) as emulator:
        _, spending = embedder(emulator.url, tmp_path)
        with pytest.raises(Killed), spending.round_of(["one", "two"]):
            raise Killed
        embedding, again = embedder(emulator.url, tmp_path)
        again.recover()
        again.recover()
        lost = costs_of(tmp_path)
        embedding.embed(["one", "two"])
    assert lost["unanswered_cost_at_most"] == pytest.approx(2 * (3 + 64) * 2.0 / 1000)
    assert (lost["texts_embedded"], lost["failed"], lost["cost"]) == (0, 2, 0.0)
    row = costs_of(tmp_path)
    assert (row["texts_embedded"], row["failed"], row["retries"]) == (2, 0, 2)
    assert row["unanswered_cost_at_most"] == lost["unanswered_cost_at_most"]


def test_tokens_that_the_server_does_not_count_are_missing(tmp_path: Path) -> None:
    _, spending = embedder("http://embeddings/v1/chat/completions", tmp_path)
    with spending.round_of(["one"]) as ended:
        ended[0] = Embedded(None, None, [1.0], None, 0.5)
    panel = Panel([], tmp_path, Ceiling(None), Redactor())
    panel.open()
    (row,) = cost_rows(panel)
    assert (row["texts_embedded"], row["prompt_tokens"], row["cost"]) == (1, None, None)
    assert panel.spent is None


class Travelling(ThisProcess):
    """A pool whose tasks and results travel."""

    def map(self, compute: Any, tasks: Any) -> Any:
        travelled = pickle.loads(pickle.dumps(compute))
        return (pickle.loads(pickle.dumps(travelled(pickle.loads(pickle.dumps(task))))) for task in tasks)


def test_scores_that_a_pool_computes_are_the_same_in_every_byte(tmp_path: Path) -> None:
    many = [(f"a{number}", (f"Rome {number}",), f"It is Rome, {number}.") for number in range(70)]
    answers = write_answers(tmp_path / "answers.parquet", [*ANSWERS, *many])
    files = []
    for name, pool in (("here", None), ("there", Travelling())):
        (tmp_path / name).mkdir()
        target = tmp_path / name / "scores.parquet"
        write_scores(Scoring(schema={"type": "object"}), answers, target, pool)
        files.append([path.read_bytes() for path in sorted(target.parent.rglob("*.parquet"))])
    assert files[0] == files[1]
    assert len(files[0]) == 2
