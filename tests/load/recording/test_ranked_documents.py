"""Records of rankings: scores in the order of the documents, and what a level that is decoded later knows of them."""

from __future__ import annotations

import json

import pytest

from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.recording.sent_level import SentLevel, head_of, level_of
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.engine import LevelRun
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey

CLOCKS = ClockPair.from_samples([(0, 10**9), (10**10, 11 * 10**9)])
EMBEDDINGS = OpenAiPredictor("http://h/v1/embeddings", stream=False)
VECTORS = [[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]


def recorder(*, documents: int) -> Recorder:
    prompt = SentPrompt("p", 3, None, documents)
    return Recorder(EMBEDDINGS, [prompt], ("http://h",), LevelKey("e", "p", "l"), None, None)


def answer(spooled, **more) -> object:
    data = [{"index": at, "embedding": vector} for at, vector in enumerate(VECTORS)]
    body = json.dumps({"data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}} | more).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    return spooled([(head + body, 1_000, None)], end=1_000)


def test_a_query_is_not_one_of_its_documents(spooled) -> None:
    row = recorder(documents=2).row(answer(spooled), CLOCKS, "L")
    assert list(row["scores"]) == pytest.approx([0.0, 1.0])
    assert (row["texts"], row["completion_tokens"], row["completion"], row["first"]) == (2, 0, "", None)


def test_a_batch_of_texts_has_no_scores(spooled) -> None:
    row = recorder(documents=0).row(answer(spooled), CLOCKS, "L")
    assert (row["texts"], list(row["scores"])) == (3, [])


def test_a_level_that_is_decoded_later_knows_which_prompts_rank() -> None:
    sent = SentLevel(recorder(documents=2), LevelRun("L", None, "", None, ()), {})  # type: ignore[typeddict-item]
    head = json.loads(json.dumps(head_of(sent)))
    assert level_of(head, [], EMBEDDINGS, None).recorder.prompts == sent.recorder.prompts
    head["prompts"] = [["p", 3, None]]  # as earlier versions wrote it
    assert level_of(head, [], EMBEDDINGS, None).recorder.prompts == [SentPrompt("p", 3)]


def test_documents_that_the_answer_leaves_out_were_ranked_too(spooled) -> None:
    row = recorder(documents=9).row(answer(spooled), CLOCKS, "L")
    assert row["texts"] == 9
