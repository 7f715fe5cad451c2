"""Codecs by protocol name, and where keys come from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.registry import predictor_for

URL = "http://127.0.0.1:8000/v1/chat/completions"


def test_a_codec_gets_the_experiments_parameters_and_address(experiment: Callable[..., Experiment]) -> None:
    spec = {"stream": True, "parameters": {"temperature": 0.5}, "headers": {"X-Retries": 0}}
    predictor = predictor_for(experiment(inference_spec=spec), URL, "org/model")
    assert isinstance(predictor, OpenAiPredictor)
    assert (predictor.url, predictor.model, predictor.stream) == (URL, "org/model", True)
    assert dict(predictor.parameters) == {"temperature": 0.5}
    assert dict(predictor.encode("x").headers)["x-retries"] == "0"


def test_an_unknown_protocol_is_named(experiment: Callable[..., Experiment]) -> None:
    with pytest.raises(InputError, match=r"mine: unknown protocol `\w+`.*openai"):
        predictor_for(experiment().model_copy(update={"protocol": "telepathy"}), URL, None)


def test_the_key_comes_from_the_environment(
    experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1")
    request = predictor_for(experiment(api_key_env="MY_KEY"), URL, None).encode("x")
    assert dict(request.headers)["authorization"] == "Bearer sk-1"


def test_a_key_that_is_not_there_is_an_error_that_names_the_variable(
    experiment: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(InputError, match="mine: environment variable MY_KEY is not set"):
        predictor_for(experiment(api_key_env="MY_KEY"), URL, None)


def test_without_a_key_there_is_no_authorization(experiment: Callable[..., Experiment]) -> None:
    assert "authorization" not in dict(predictor_for(experiment(), URL, None).encode("x").headers)
