"""The bytes that each protocol's requests are on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.config.schema.api_key import key_header
from fmbench_lib.load.sending.layout import write_requests
from fmbench_lib.predictors.base import HttpRequest
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.registry import predictor_for

MakeExperiment = Callable[..., Experiment]

PARAMETERS = {"temperature": 0.5, "max_tokens": 9}
GOLDEN: list[tuple[str, dict[str, Any], bytes]] = [
    (
        "http://h/v1/chat/completions",
        {"protocol": "openai"},
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n"
        b"x-team: a\r\naccept-encoding: identity\r\ncontent-length: 171\r\n\r\n"
        b'{"model": "org/m", "messages": [{"role": "user", "content": "Wie?\\u2019"}], "temperature": 0.5, '
        b'"max_tokens": 9, "stream": true, "stream_options": {"include_usage": true}}',
    ),
    (
        "http://h/v1/embeddings",
        {"protocol": "openai"},
        b"POST /v1/embeddings HTTP/1.1\r\ncontent-type: application/json\r\naccept: application/json\r\n"
        b"x-team: a\r\naccept-encoding: identity\r\ncontent-length: 78\r\n\r\n"
        b'{"model": "org/m", "input": "Wie?\\u2019", "temperature": 0.5, "max_tokens": 9}',
    ),
    (
        "http://h/generate",
        {"protocol": "tgi"},
        b"POST /generate_stream HTTP/1.1\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n"
        b"x-team: a\r\naccept-encoding: identity\r\ncontent-length: 77\r\n\r\n"
        b'{"inputs": "Wie?\\u2019", "parameters": {"temperature": 0.5, "max_tokens": 9}}',
    ),
    (
        "http://h/invocations",
        {"protocol": "djl"},
        b"POST /invocations HTTP/1.1\r\ncontent-type: application/json\r\naccept: application/json\r\n"
        b"x-team: a\r\naccept-encoding: identity\r\ncontent-length: 93\r\n\r\n"
        b'{"inputs": "Wie?\\u2019", "parameters": {"temperature": 0.5, "max_tokens": 9}, "stream": true}',
    ),
    (
        "http://h/v2/models/ensemble/generate",
        {"protocol": "triton"},
        b"POST /v2/models/ensemble/generate_stream HTTP/1.1\r\ncontent-type: application/json\r\n"
        b"accept: text/event-stream\r\nx-team: a\r\naccept-encoding: identity\r\ncontent-length: 81\r\n\r\n"
        b'{"text_input": "Wie?\\u2019", "temperature": 0.5, "max_tokens": 9, "stream": true}',
    ),
    (
        "http://h/v2/models/m/generate_stream",
        {"protocol": "triton", "backend": "djl"},
        b"POST /v2/models/m/generate_stream HTTP/1.1\r\ncontent-type: application/json\r\n"
        b"accept: text/event-stream\r\nx-team: a\r\naccept-encoding: identity\r\ncontent-length: 112\r\n\r\n"
        b'{"text_input": "Wie?\\u2019", "sampling_parameters": "{\\"temperature\\": 0.5, \\"max_tokens\\": 9}", '
        b'"stream": true}',
    ),
    (
        "http://h/api/generate",
        {"protocol": "ollama"},
        b"POST /api/generate HTTP/1.1\r\ncontent-type: application/json\r\naccept: application/x-ndjson\r\n"
        b"x-team: a\r\naccept-encoding: identity\r\ncontent-length: 95\r\n\r\n"
        b'{"model": "org/m", "prompt": "Wie?\\u2019", "temperature": 0.5, "max_tokens": 9, "stream": true}',
    ),
    (
        "http://h/completion",
        {"protocol": "llama_cpp"},
        b"POST /completion HTTP/1.1\r\ncontent-type: application/json\r\naccept: text/event-stream\r\n"
        b"x-team: a\r\naccept-encoding: identity\r\ncontent-length: 77\r\n\r\n"
        b'{"prompt": "Wie?\\u2019", "temperature": 0.5, "max_tokens": 9, "stream": true}',
    ),
    (
        "http://h/serve/infer",
        {"protocol": "rest"},
        b"GET /serve/infer?sentence=Wie%3F%E2%80%99 HTTP/1.1\r\n"
        b"x-team: a\r\naccept-encoding: identity\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "http://h/serve/",
        {"protocol": "eks"},
        b"GET /serve/Wie%3F%E2%80%99 HTTP/1.1\r\nx-team: a\r\naccept-encoding: identity\r\ncontent-length: 0\r\n\r\n",
    ),
    (
        "http://h/v2/completions",
        {"protocol": "custom_rest"},
        b"POST /v2/completions HTTP/1.1\r\ncontent-type: application/json\r\n"
        b"x-team: a\r\naccept-encoding: identity\r\ncontent-length: 82\r\n\r\n"
        b'{"model_id": "org/m", "prompt": "Wie?\\u2019", "temperature": 0.5, "max_tokens": 9}',
    ),
]


def wire(request: HttpRequest, folder: Path) -> bytes:
    """A request as a worker sends it, but for the headers that differ from sending to sending."""
    file = BytesIO()
    write_requests(file, folder / "index", [request])
    return file.getvalue()


@pytest.mark.parametrize(("url", "settings", "expected"), GOLDEN, ids=lambda value: str(value)[:40])
def test_a_request_on_the_wire(
    experiment: MakeExperiment, tmp_path: Path, url: str, settings: dict[str, Any], expected: bytes
) -> None:
    spec = {"stream": True, "parameters": PARAMETERS, "headers": {"X-Team": "a"}, "backend": settings.get("backend")}
    made = predictor_for(experiment(protocol=settings["protocol"], inference_spec=spec), url, "org/m")
    assert wire(made.encode("Wie?’"), tmp_path) == expected


@pytest.mark.parametrize(("url", "protocol"), [(url, settings["protocol"]) for url, settings, _ in GOLDEN])
def test_a_key_is_only_in_its_header(
    experiment: MakeExperiment, monkeypatch: pytest.MonkeyPatch, url: str, protocol: str
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    predictor = predictor_for(experiment(protocol=protocol, api_key_env="MY_KEY"), url, None)
    request = predictor.encode("prompt")
    assert [name for name, value in request.headers if "sk-secret" in value] == ["authorization"]
    assert "sk-secret" not in repr(predictor) + request.url + request.body.decode()


def body_of(experiment: MakeExperiment, protocol: str, url: str, limit: int | None = None, **spec: Any) -> Any:
    made = predictor_for(experiment(protocol=protocol, inference_spec=spec), url, "org/m")
    return json.loads(made.encode("Hi", limit).body)


class TestWithoutStreaming:
    """Where a protocol has two addresses, the one that is given may be either."""

    @pytest.mark.parametrize("ending", ["generate", "generate_stream", "generate/"])
    def test_tgi_asks_for_details_at_its_other_address(self, experiment: MakeExperiment, ending: str) -> None:
        made = predictor_for(experiment(protocol="tgi", inference_spec={"stream": False}), f"http://h/x/{ending}", None)
        request = made.encode("Hi")
        assert request.url == "http://h/x/generate"
        assert json.loads(request.body) == {"inputs": "Hi", "parameters": {"details": True}}

    def test_a_parameter_of_the_experiment_outweighs_ours(self, experiment: MakeExperiment) -> None:
        body = body_of(experiment, "tgi", "http://h/generate", stream=False, parameters={"details": False})
        assert body["parameters"] == {"details": False}

    def test_tgi_at_sagemakers_address_says_it_in_the_body(self, experiment: MakeExperiment) -> None:
        assert body_of(experiment, "tgi", "http://h/invocations", stream=True)["stream"] is True

    def test_djl_sends_inputs_and_parameters_alone(self, experiment: MakeExperiment) -> None:
        body = body_of(experiment, "djl", "http://h/invocations", stream=False, parameters={"top_k": 5})
        assert body == {"inputs": "Hi", "parameters": {"top_k": 5}}

    @pytest.mark.parametrize("ending", ["generate", "generate_stream"])
    def test_triton_takes_its_other_address(self, experiment: MakeExperiment, ending: str) -> None:
        url = f"http://h/v2/models/ensemble/{ending}?x=1"
        made = predictor_for(experiment(protocol="triton", inference_spec={"stream": False}), url, None)
        request = made.encode("Hi")
        assert request.url == "http://h/v2/models/ensemble/generate?x=1"
        assert json.loads(request.body) == {"text_input": "Hi"}

    def test_ollama_is_told_not_to_stream(self, experiment: MakeExperiment) -> None:
        assert body_of(experiment, "ollama", "http://h/api/chat", stream=False) == {
            "model": "org/m",
            "messages": [{"role": "user", "content": "Hi"}],
            "stream": False,
        }


class TestTritonsForms:
    @pytest.mark.parametrize(
        ("backend", "instance", "as_text"),
        [
            (None, "g5.xlarge", False),
            ("tensorrt", "g5.xlarge", False),
            ("djl", "inf2.48xlarge", True),
            ("vllm", "g5.xlarge", True),
            (None, "trn1.32xlarge", True),
            ("tensorrt", "trn1.32xlarge", False),
        ],
    )
    def test_follow_from_the_backend_or_the_instance(
        self, experiment: MakeExperiment, backend: str | None, instance: str, as_text: bool
    ) -> None:
        spec = {"backend": backend, "stream": False, "parameters": {"top_k": 5}}
        made = predictor_for(
            experiment(protocol="triton", instance_type=instance, inference_spec=spec),
            "http://h/v2/models/m/generate",
            None,
        )
        expected = {"sampling_parameters": '{"top_k": 5}'} if as_text else {"top_k": 5}
        assert json.loads(made.encode("Hi").body) == {"text_input": "Hi", **expected}

    def test_what_vllms_backend_takes_beside_the_text_stands_there(self, experiment: MakeExperiment) -> None:
        parameters = {"top_k": 5, "return_num_output_tokens": True}
        body = body_of(
            experiment, "triton", "http://h/v2/models/m/generate", stream=False, backend="vllm", parameters=parameters
        )
        assert body == {"text_input": "Hi", "return_num_output_tokens": True, "sampling_parameters": '{"top_k": 5}'}


@pytest.mark.parametrize(
    ("protocol", "url", "spelt"),
    [
        ("openai", "http://h/v1/completions", ("max_tokens",)),
        ("tgi", "http://h/generate", ("parameters", "max_new_tokens")),
        ("djl", "http://h/invocations", ("parameters", "max_new_tokens")),
        ("triton", "http://h/v2/models/m/generate", ("max_tokens",)),
        ("ollama", "http://h/api/generate", ("options", "num_predict")),
        ("llama_cpp", "http://h/completion", ("n_predict",)),
        ("custom_rest", "http://h/v2/completions", ("max_tokens",)),
    ],
)
def test_a_requests_limit_has_the_protocols_name(
    experiment: MakeExperiment, protocol: str, url: str, spelt: tuple[str, ...]
) -> None:
    value = body_of(experiment, protocol, url, 33)
    for key in spelt:
        value = value[key]
    assert value == 33


def test_ollamas_options_are_kept_beside_the_limit(experiment: MakeExperiment) -> None:
    spec = {"parameters": {"options": {"top_k": 5, "num_predict": 7}, "model": "llama3.1:8b"}}
    body = body_of(experiment, "ollama", "http://h/api/generate", 33, **spec)
    assert (body["options"], body["model"]) == ({"top_k": 5, "num_predict": 33}, "llama3.1:8b")


@pytest.mark.parametrize(
    ("url", "key", "header"),
    [
        ("http://h/v1/chat/completions", "k", ("authorization", "Bearer k")),
        ("https://a.openai.azure.com/openai/v1/chat/completions", "k", ("api-key", "k")),
        ("https://gateway/openai/deployments/d/chat/completions?api-version=1", "k", ("api-key", "k")),
        ("https://a.openai.azure.com/openai/v1/chat/completions", "Bearer t", ("authorization", "Bearer t")),
        ("https://openai.azure.com.example/v1", "Basic dTpw", ("authorization", "Basic dTpw")),
        ("https://openai.azure.com.example/v1", "k", ("authorization", "Bearer k")),
    ],
)
def test_a_key_is_sent_as_its_host_takes_it(url: str, key: str, header: tuple[str, str]) -> None:
    assert key_header(key, url) == header
    request = OpenAiPredictor(url, api_key=key).encode("Hi")
    assert [pair for pair in request.headers if pair[0] in ("authorization", "api-key")] == [header]
