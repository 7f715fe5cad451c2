"""Messages in requests: as they are where the protocol has them, as one text where it has not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.generate import GeneratePredictor
from fmbench_lib.predictors.message_lists import request_of, takes
from fmbench_lib.predictors.ollama import OllamaPredictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.sagemaker import SageMakerPredictor

TALK = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "Q"},
    {"role": "assistant", "content": "A"},
    {"role": "user", "content": "Why?"},
]
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]


def body(predictor: Predictor, messages: list[dict[str, Any]]) -> dict[str, Any]:
    request = request_of(predictor, {"prompt": "flat", "messages": messages}, 7)
    made: dict[str, Any] = json.loads(request.body)
    return made


@pytest.mark.parametrize("messages", [TALK, PICTURE])
def test_chat_completions_get_them_as_they_are(messages: list[dict[str, Any]]) -> None:
    predictor = OpenAiPredictor("http://x/v1/chat/completions", "m", parameters={"temperature": 0})
    made = body(predictor, messages)
    assert (made["messages"], made["max_tokens"], made["model"], made["temperature"]) == (messages, 7, "m", 0)


def test_ollamas_chat_gets_text_alone() -> None:
    predictor = OllamaPredictor("http://x/api/chat", "m")
    assert body(predictor, TALK)["messages"] == TALK
    assert body(predictor, PICTURE)["messages"] == [{"role": "user", "content": "flat"}]


def test_converse_has_the_systems_beside_the_turns() -> None:
    made = body(ConversePredictor("http://x/model/m"), TALK)
    assert made["system"] == [{"text": "S"}]
    assert [(turn["role"], turn["content"]) for turn in made["messages"]] == [
        ("user", [{"text": "Q"}]),
        ("assistant", [{"text": "A"}]),
        ("user", [{"text": "Why?"}]),
    ]


def test_others_get_the_text() -> None:
    assert body(OpenAiPredictor("http://x/v1/completions"), TALK)["prompt"] == "flat"
    assert body(OllamaPredictor("http://x/api/generate"), TALK)["prompt"] == "flat"
    assert body(GeneratePredictor("http://x/generate", "tgi"), TALK)["inputs"] == "flat"


@pytest.mark.parametrize("messages", [TALK, PICTURE])
def test_sagemakers_messages_form_gets_them_as_they_are(messages: list[dict[str, Any]]) -> None:
    predictor = SageMakerPredictor(
        "https://h/endpoints/e/invocations", {"temperature": 0}, stream=True, form="messages"
    )
    assert takes(predictor, messages)
    assert body(predictor, messages) == {"messages": messages, "temperature": 0, "max_tokens": 7, "stream": True}


@pytest.mark.parametrize("form", ["inputs", "text_inputs"])
def test_sagemakers_other_forms_get_one_text(form: Any) -> None:
    predictor = SageMakerPredictor("https://h/endpoints/e/invocations", stream=False, form=form)
    assert not takes(predictor, TALK)
    assert "flat" in body(predictor, TALK).values()
